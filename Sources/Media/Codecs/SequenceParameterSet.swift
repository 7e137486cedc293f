// The few fields of an H.264 sequence parameter set that say how large the picture is.

/// A sequence parameter set.
public enum SequenceParameterSet {
    /// Reads the cropped size (ITU-T H.264, 7.3.2.1.1); nil for what is cut short or out of range.
    ///
    /// - Parameter nal: the unit, with its head byte.
    public static func pictureSize(of nal: [UInt8]) -> PictureSize? { sizes(of: nal)?.cropped }

    /// Reads the size of what is decoded, before cropping; nil for what is cut short or out of range.
    static func codedSize(of nal: [UInt8]) -> PictureSize? { sizes(of: nal)?.coded }

    private static func sizes(of nal: [UInt8]) -> (coded: PictureSize, cropped: PictureSize)? {
        guard nal.count > 4, nal[0] & 31 == 7 else { return nil }
        var bits = BitReader(removingEmulationFrom: nal[1...])
        guard let profile = bits.read(8), bits.read(16) != nil, bits.readUE() != nil else { return nil }
        var chromaFormat = 1
        if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(profile) {
            guard let format = bits.readUE(), format <= 3 else { return nil }
            chromaFormat = format
            if format == 3, bits.read(1) == nil { return nil }
            guard bits.readUE() != nil, bits.readUE() != nil, bits.read(1) != nil, let hasMatrix = bits.read(1) else {
                return nil
            }
            if hasMatrix == 1 {
                for list in 0..<(format == 3 ? 12 : 8) where bits.read(1) == 1 {
                    var last = 8, next = 8
                    for _ in 0..<(list < 6 ? 16 : 64) {
                        if next != 0 {
                            guard let delta = bits.readSE() else { return nil }
                            next = (last &+ delta) & 255
                        }
                        if next != 0 { last = next }
                    }
                }
            }
        }
        guard bits.readUE() != nil, let orderType = bits.readUE() else { return nil }
        if orderType == 0 {
            guard bits.readUE() != nil else { return nil }
        } else if orderType == 1 {
            guard bits.read(1) != nil, bits.readSE() != nil, bits.readSE() != nil, let cycle = bits.readUE(),
                cycle < 256
            else { return nil }
            for _ in 0..<cycle where bits.readSE() == nil { return nil }
        }
        guard bits.readUE() != nil, bits.read(1) != nil, let widthMB = bits.readUE(), let heightUnits = bits.readUE(),
            let framesOnly = bits.read(1), widthMB < 1024, heightUnits < 1024
        else { return nil }
        if framesOnly == 0, bits.read(1) == nil { return nil }
        guard bits.read(1) != nil, let isCropped = bits.read(1) else { return nil }
        var width = (widthMB + 1) * 16, height = (2 - framesOnly) * (heightUnits + 1) * 16
        let coded = PictureSize(width: width, height: height)
        if isCropped == 1 {
            guard let left = bits.readUE(), let right = bits.readUE(), let top = bits.readUE(),
                let bottom = bits.readUE(),
                max(left, right, top, bottom) < 16384
            else { return nil }
            let unitX = chromaFormat == 1 || chromaFormat == 2 ? 2 : 1
            let unitY = (chromaFormat == 1 ? 2 : 1) * (2 - framesOnly)
            width -= (left + right) * unitX
            height -= (top + bottom) * unitY
        }
        guard width > 0, height > 0 else { return nil }
        return (coded, PictureSize(width: width, height: height))
    }
}

/// Reads bits and Exp-Golomb codes, most significant first; nil at the end of the bytes.
struct BitReader {
    private var bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    init(removingEmulationFrom nal: ArraySlice<UInt8>) {
        bytes = []
        var zeros = 0
        for byte in nal {
            if zeros >= 2, byte == 3 {
                zeros = 0
                continue
            }
            zeros = byte == 0 ? zeros + 1 : 0
            bytes.append(byte)
        }
    }

    var bitsLeft: Int { bytes.count * 8 - position }

    mutating func read(_ count: Int) -> Int? {
        guard count <= bitsLeft else { return nil }
        var value = 0
        for _ in 0..<count {
            value = value << 1 | Int(bytes[position >> 3] >> UInt8(7 - position & 7) & 1)
            position += 1
        }
        return value
    }

    mutating func readUE() -> Int? {
        var zeros = 0
        while true {
            guard let bit = read(1), zeros < 32 else { return nil }
            if bit == 1 { break }
            zeros += 1
        }
        return read(zeros).map { (1 << zeros) - 1 + $0 }
    }

    mutating func readSE() -> Int? {
        readUE().map { $0 & 1 == 1 ? ($0 + 1) / 2 : -($0 / 2) }
    }
}
