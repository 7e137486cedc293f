// What a media library answered instead of doing the work.

import CMediaShims

/// A negative return code of libav or x264.
public struct AVError: Error, Equatable, Hashable {
    /// The code as the library gave it.
    public let code: Int32

    /// Wraps a code.
    public init(code: Int32) { self.code = code }

    /// Throws when a code is negative, else returns it.
    @discardableResult
    static func check(_ code: Int32) throws(AVError) -> Int32 {
        guard code >= 0 else { throw AVError(code: code) }
        return code
    }

    /// The library could not allocate.
    public static let outOfMemory = AVError(code: proscenium_av_error(12))
    /// The picture is larger than the caller allows.
    public static let tooLarge = AVError(code: proscenium_av_error(27))
    /// The bytes are not what they should be.
    public static let invalidData = AVError(code: PROSCENIUM_AV_INVALID_DATA)
}

enum MediaLibraries {
    /// Run once before the first codec is opened.
    static let quiet: Void = proscenium_av_silence()
}
