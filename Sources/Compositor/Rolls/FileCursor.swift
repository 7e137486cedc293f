// A place in an open file, read without moving the file's own.

import CMediaShims
import Glibc

/// A place in an open file, whose own offset is left alone.
final class FileCursor {
    /// How many bytes the file has.
    let length: Int64
    private let descriptor: Int32
    private var position: Int64 = 0

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        // The offset is nobody's: everything is read by place.
        length = max(0, Int64(lseek(descriptor, 0, SEEK_END)))
    }

    /// Bytes of the file, fewer at its end; the place stays where it is.
    func bytes(_ count: Int, at place: Int64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = pread(descriptor, &bytes, count, off_t(place))
        return Array(bytes.prefix(max(0, got)))
    }

    /// Reads on from the place, as libavformat asks for it.
    func read(_ target: UnsafeMutablePointer<UInt8>, _ count: Int32) -> Int32 {
        guard count > 0 else { return 0 }
        let got = pread(descriptor, target, Int(count), off_t(position))
        if got < 0 { return proscenium_av_error(EIO) }
        if got == 0 { return PROSCENIUM_AV_EOF }
        position += Int64(got)
        return Int32(got)
    }

    /// Moves the place, as libavformat asks for it.
    func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        switch whence & ~Int32(0x20000) {
        case Int32(0x10000): return length
        case SEEK_SET: return move(offset)
        case SEEK_CUR: return move(position.addingReportingOverflow(offset).partialValue)
        case SEEK_END: return move(length.addingReportingOverflow(offset).partialValue)
        default: return Int64(proscenium_av_error(EINVAL))
        }
    }

    private func move(_ target: Int64) -> Int64 {
        guard (0...length).contains(target) else { return Int64(proscenium_av_error(EINVAL)) }
        position = target
        return target
    }
}
