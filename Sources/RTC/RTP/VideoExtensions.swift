// What a picture's last packet tells of it: its orientation and its colour, as header extensions.

public import Media

extension PictureRotation {
    /// Reads a `urn:3gpp:video-orientation` element (3GPP TS 26.114, clause 7.4.5).
    ///
    /// - Parameter element: one byte, whose two lowest bits say how often the receiver turns the picture clockwise by 90
    ///   degrees. Which camera it was and the mirror bit are left aside, as browsers do: they send neither.
    /// - Returns: nil when the length is wrong.
    @inline(__always)
    public init?(orientation element: UnsafeRawBufferPointer) {
        guard element.count == 1 else { return nil }
        self.init(rawValue: element[0] & 3)
    }

    /// The byte of a `urn:3gpp:video-orientation` element.
    public var orientationByte: UInt8 { rawValue }
}

extension ColorSignal {
    /// How many bytes a color-space element has at the least; with HDR metadata it has 24 more.
    public static let elementLength = 4

    /// Reads a `color-space` element as libwebrtc defines it: primaries, transfer and matrix by their numbers of
    /// ITU-T H.273, then range and chroma siting in one byte.
    ///
    /// Only matrix and range matter here: primaries and transfer of BT.601, BT.709 and sRGB are shown alike everywhere.
    /// A matrix that we can't turn into ours counts as not told, like a range that is to be derived from elsewhere.
    ///
    /// - Parameter element: 4 bytes, or 28 with HDR metadata, which is left aside.
    /// - Returns: nil when the length is wrong.
    @inline(__always)
    public init?(element: UnsafeRawBufferPointer) {
        guard element.count == Self.elementLength || element.count == 28 else { return nil }
        let matrix: ColorDescription.Matrix? =
            switch element[2] {
            case 1: .bt709
            // BT.470 B/G and SMPTE 170M are BT.601 for 625 and 525 lines: one matrix.
            case 5, 6: .bt601
            default: nil
            }
        let isFullRange: Bool? =
            switch element[3] >> 4 & 3 {
            case 1: false
            case 2: true
            default: nil
            }
        self.init(matrix: matrix, isFullRange: isFullRange)
    }

    /// The bytes of a `color-space` element without HDR metadata; what is not told is written as unspecified.
    public var element: [UInt8] {
        let code: UInt8 =
            switch matrix {
            case .bt709: 1
            case .bt601: 6
            case nil: 2
            }
        let range: UInt8 =
            switch isFullRange {
            case false: 1
            case true: 2
            case nil: 0
            }
        return [code, code, code, range << 4]
    }
}
