// onProgramTime: how the program clock crosses RTMP.

import Media

/// Our data message: the name and an object with `programTime`, stamped like the frame it belongs to.
enum ProgramTimeMessage {
    static let name = "onProgramTime"

    static func payload(_ time: ProgramTime) -> [UInt8] {
        var payload: [UInt8] = []
        AMF0Writer.write(.string(name), into: &payload)
        AMF0Writer.write(
            .object([AMF0Property("programTime", .number(Double(time.milliseconds)))]), into: &payload)
        return payload
    }

    /// Reads the values after a check that the number is a whole one that a double holds exactly.
    static func read(_ values: [AMF0Value]) -> ProgramTime? {
        guard values.count > 1, let number = values[1]["programTime"]?.number, number >= 0,
            number <= 0x1F_FFFF_FFFF_FFFF
        else { return nil }
        return ProgramTime(milliseconds: Int64(number))
    }
}
