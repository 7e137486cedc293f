// The process that reads a roll: packets in by one descriptor, pictures and sound out by others, nothing else.

import CFFmpeg
import Glibc
import Media

/// Runs in a process of its own, which has given up everything but these descriptors.
public enum RollReader {
    /// The file, the records, and the memory and the returned slots of pictures.
    static let file: Int32 = 0, records: Int32 = 1, memory: Int32 = 3, returned: Int32 = 4
    /// How many descriptors it is started with.
    static let descriptors = 5

    /// Decodes until the roll ends or nobody listens any more.
    ///
    /// - Parameters:
    ///   - fromMs: where to begin, from the roll's start.
    ///   - soundOnly: whether only sound is read, and pictures need not be there.
    /// - Returns: the process's exit status.
    public static func run(fromMs: Int64, soundOnly: Bool = false) -> Int32 {
        let bytes = RollRecord.slots * RollRecord.slotBytes
        guard let shared = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0), shared != MAP_FAILED else {
            return 1
        }
        var sender = Sender(pictures: shared.assumingMemoryBound(to: UInt8.self))
        do throws(RollError) {
            if soundOnly { try readSound(fromMs, to: sender) } else { try readAll(fromMs, to: &sender) }
            return 0
        } catch {
            sender.send(failure: error.reason)
            return 65
        }
    }

    private static func readAll(_ fromMs: Int64, to sender: inout Sender) throws(RollError) {
        let limits = RollLimits()
        let container = try RollContainer(descriptor: file, limits: limits)
        let decoder = try RollDecoder(container, limits: limits, fromMs: fromMs)
        let converter = RollPictureConverter(decoder.pictures), sound = RollSoundConverter()
        var goesOn = true
        while goesOn {
            switch try decoder.next() {
            case .picture(let frame, let stamp):
                goesOn = try sender.send(frame, at: stamp, converter)
            case .sound(let frame, let stamp):
                sound.convert(frame, at: stamp) { goesOn = sender.send($1, at: $0) && goesOn }
            case .end:
                _ = sender.send(.init(.end))
                goesOn = false
            }
        }
    }

    private static func readSound(_ fromMs: Int64, to sender: Sender) throws(RollError) {
        let limits = RollLimits()
        let container = try RollContainer(descriptor: file, limits: limits, soundOnly: true)
        let decoder = try RollSoundDecoder(container, limits: limits, fromMs: fromMs)
        var goesOn = true
        while goesOn {
            // The pipe takes no more than a moment of sound: that is what holds this process back.
            guard try decoder.next({ goesOn = sender.send($1, at: $0) && goesOn }) else {
                var end = RollRecord(.end)
                end.stamp = decoder.end
                _ = sender.send(end)
                return
            }
        }
    }

    private struct Sender {
        let pictures: UnsafeMutablePointer<UInt8>
        var free = Array(0..<RollRecord.slots)

        func send(_ record: RollRecord) -> Bool {
            record.values.withUnsafeBytes { raw in
                raw.baseAddress.map { WholeBlocks.write(records, $0, raw.count) } ?? false
            }
        }

        mutating func send(
            _ frame: UnsafeMutablePointer<AVFrame>, at stamp: Int64, _ converter: RollPictureConverter
        ) throws(RollError) -> Bool {
            // The compositor gives a slot back when it has copied it: that is what holds this process back.
            while free.isEmpty {
                var slot: UInt8 = 0
                guard WholeBlocks.read(returned, &slot, 1) else { return false }
                if slot < RollRecord.slots, !free.contains(Int(slot)) { free.append(Int(slot)) }
            }
            let slot = free.removeLast(), form = converter.form(frame)
            guard converter.write(frame, form, to: pictures + slot * RollRecord.slotBytes) else {
                throw .unreadable("A picture's format can't be converted.")
            }
            var record = RollRecord(.picture)
            record.stamp = stamp
            record.slot = Int64(slot)
            (record.width, record.height) = (Int64(form.size.width), Int64(form.size.height))
            record.color = (form.color.matrix == .bt709 ? 1 : 0) | (form.color.isFullRange ? 2 : 0)
            record.rotation = Int64(form.rotation.rawValue)
            return send(record)
        }

        func send(_ samples: UnsafeBufferPointer<Float>, at position: Int64) -> Bool {
            var done = 0
            while done < samples.count / 2 {
                let count = min(RollRecord.mostSamples, samples.count / 2 - done)
                var record = RollRecord(.sound)
                record.stamp = position + Int64(done)
                record.count = Int64(count)
                guard let start = samples.baseAddress, send(record),
                    WholeBlocks.write(records, start + 2 * done, count * 8)
                else { return false }
                done += count
            }
            return true
        }

        func send(failure: String) {
            let text = Array(failure.utf8.prefix(RollRecord.mostText))
            var record = RollRecord(.failure)
            record.count = Int64(text.count)
            if send(record) {
                text.withUnsafeBytes { raw in _ = raw.baseAddress.map { WholeBlocks.write(records, $0, raw.count) } }
            }
        }
    }
}
