// The compositor's end of the process that reads a roll: started, listened to, and ended.

import CProcess
import Glibc
import Media
import Synchronization

/// One process that reads one roll; made, used and ended by one thread, but for `kill`.
final class RollProcess: Sendable {
    private struct State {
        var pid: pid_t = 0
        var isKilled = false
    }

    private let state = Mutex(State())
    private let records: Int32, returned: Int32, pictures: UInt

    /// Starts the process; nil when it can't be started.
    ///
    /// It ends with the calling thread, at the latest.
    ///
    /// - Parameters:
    ///   - executable: the program that has the `roll` command.
    ///   - file: the open file.
    ///   - fromMs: where to begin.
    ///   - soundOnly: whether only sound is read, and pictures need not be there.
    init?(executable: String, file: Int32, fromMs: Int64, soundOnly: Bool = false) {
        let bytes = RollRecord.slots * RollRecord.slotBytes
        let memory = proscenium_shared_memory("roll", bytes)
        guard memory >= 0 else { return nil }
        defer { close(memory) }
        var out: [Int32] = [-1, -1], back: [Int32] = [-1, -1]
        guard proscenium_pipe(&out) == 0 else { return nil }
        guard proscenium_pipe(&back) == 0 else {
            out.forEach { close($0) }
            return nil
        }
        let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
        // It reads only: what it does to the memory beyond its pictures harms nobody, and pictures are copied.
        let mapped = mmap(nil, bytes, PROT_READ, MAP_SHARED, memory, 0)
        let texts = ["proscenium", "roll", "--from-ms", String(fromMs)] + (soundOnly ? ["--sound-only"] : [])
        let settings = ["LANG=C.UTF-8", "SWIFT_BACKTRACE=enable=no"]
        let arguments = texts.map { strdup($0) } + [nil], variables = settings.map { strdup($0) } + [nil]
        let pid = proscenium_spawn_worker(
            executable, arguments, variables, [file, out[1], nothing, memory, back[0]],
            Int32(RollReader.descriptors))
        (arguments + variables).forEach { free($0) }
        for descriptor in [out[1], back[0], nothing] { close(descriptor) }
        guard pid > 0, let mapped, mapped != MAP_FAILED else {
            close(out[0])
            close(back[1])
            return nil
        }
        records = out[0]
        returned = back[1]
        pictures = UInt(bitPattern: mapped)
        state.withLock { $0.pid = pid }
    }

    /// Ends the process, from any thread; the reader sees the end of its records.
    func kill() {
        state.withLock { state in
            state.isKilled = true
            if state.pid > 0 { _ = Glibc.kill(state.pid, SIGKILL) }
        }
    }

    /// Waits for the process, and gives everything back; called once, by the reader.
    ///
    /// - Returns: whether it ended by itself and in order.
    func finish() -> Bool {
        let (pid, isKilled) = state.withLock { ($0.pid, $0.isKilled) }
        _ = Glibc.kill(pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        state.withLock { $0.pid = 0 }
        close(records)
        close(returned)
        munmap(UnsafeMutableRawPointer(bitPattern: pictures), RollRecord.slots * RollRecord.slotBytes)
        return !isKilled && status == 0
    }

    /// Waits for the next record; nil when there is none any more, or it says what can't be.
    func next() -> RollRecord? {
        var values = [Int64](repeating: 0, count: 8)
        let isThere = values.withUnsafeMutableBytes { raw in
            raw.baseAddress.map { WholeBlocks.read(records, $0, RollRecord.bytes) } ?? false
        }
        return isThere ? RollRecord(values) : nil
    }

    /// Copies the picture of a record, and gives its slot back.
    func copy(_ record: RollRecord, to frame: VideoFrame) {
        guard let start = UnsafePointer<UInt8>(bitPattern: pictures) else { return }
        let width = Int(record.width), height = Int(record.height)
        let slot = start + Int(record.slot) * RollRecord.slotBytes
        let chroma = width / 2
        for row in 0..<height { (frame.y + row * frame.lumaStride).update(from: slot + row * width, count: width) }
        for row in 0..<(height / 2) {
            let at = width * height + row * chroma
            (frame.u + row * frame.chromaStride).update(from: slot + at, count: chroma)
            (frame.v + row * frame.chromaStride).update(from: slot + at + chroma * (height / 2), count: chroma)
        }
        var number = UInt8(record.slot)
        _ = WholeBlocks.write(returned, &number, 1)
    }

    /// Reads the samples that follow a record of sound.
    func samples(_ record: RollRecord) -> [Float]? {
        var samples = [Float](repeating: 0, count: 2 * Int(record.count))
        let isThere = samples.withUnsafeMutableBytes { raw in
            raw.baseAddress.map { WholeBlocks.read(records, $0, raw.count) } ?? false
        }
        return isThere ? samples : nil
    }

    /// Reads the text that follows a record of failure.
    func text(_ record: RollRecord) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(record.count))
        guard !bytes.isEmpty, WholeBlocks.read(records, &bytes, bytes.count) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
