// Reading a STUN message (RFC 8489) with the attributes of ICE (RFC 8445).

public import Media

/// Why bytes are not a STUN message.
public enum STUNError: Error, Hashable, Sendable {
    case tooShort, notSTUN, badLength, badAttribute, badFingerprint
}

/// The 96 bits that tie a response to its request.
public struct STUNTransaction: Hashable, Sendable {
    let high: UInt64, low: UInt32

    /// Creates a transaction id from its bits.
    public init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    /// Makes a random transaction id.
    public static func random() -> Self { Self(high: SecureRandom.u64(), low: SecureRandom.u32()) }
}

/// A parsed binding message.
public struct STUNMessage: Sendable {
    /// What the message is.
    public enum Kind: UInt16, Sendable {
        case request = 0x0001, indication = 0x0011, success = 0x0101, error = 0x0111
    }

    static let cookie: UInt32 = 0x2112_A442
    static let fingerprintMask: UInt32 = 0x5354_554E

    enum Attribute {
        static let mappedAddress: UInt16 = 0x0001, username: UInt16 = 0x0006, messageIntegrity: UInt16 = 0x0008
        static let errorCode: UInt16 = 0x0009, unknownAttributes: UInt16 = 0x000A, realm: UInt16 = 0x0014
        static let nonce: UInt16 = 0x0015, xorMappedAddress: UInt16 = 0x0020, priority: UInt16 = 0x0024
        static let useCandidate: UInt16 = 0x0025, software: UInt16 = 0x8022, fingerprint: UInt16 = 0x8028
        static let iceControlled: UInt16 = 0x8029, iceControlling: UInt16 = 0x802A
    }

    /// What the message is.
    public let kind: Kind
    /// The transaction.
    public let transaction: STUNTransaction
    /// USERNAME as bytes.
    public private(set) var username: [UInt8]?
    /// PRIORITY.
    public private(set) var priority: UInt32?
    /// Whether USE-CANDIDATE is there.
    public private(set) var useCandidate = false
    /// The tie-breaker of ICE-CONTROLLING.
    public private(set) var controlling: UInt64?
    /// The tie-breaker of ICE-CONTROLLED.
    public private(set) var controlled: UInt64?
    /// ERROR-CODE.
    public private(set) var errorCode: Int?
    /// XOR-MAPPED-ADDRESS.
    public private(set) var mappedAddress: NetworkAddress?
    /// Attributes that must be understood and were not.
    public private(set) var unknownRequired: [UInt16] = []
    /// Whether a correct FINGERPRINT ends the message.
    public private(set) var hasFingerprint = false
    private var integrityOffset: Int?

    /// Parses one datagram; attributes after MESSAGE-INTEGRITY, except FINGERPRINT, are ignored (RFC 8489 section 14.5).
    ///
    /// - Throws: `STUNError` when the bytes are not a binding message, or FINGERPRINT is wrong.
    public init(_ bytes: UnsafeRawBufferPointer) throws(STUNError) {
        var reader = ByteReader(bytes)
        guard let type = reader.u16(), let length = reader.u16(), let cookie = reader.u32(), let high = reader.u64(),
            let low = reader.u32()
        else { throw .tooShort }
        guard cookie == Self.cookie, let kind = Kind(rawValue: type) else { throw .notSTUN }
        guard Int(length) == reader.remaining, length & 3 == 0 else { throw .badLength }
        self.kind = kind
        transaction = STUNTransaction(high: high, low: low)
        while reader.remaining > 0 {
            let start = reader.offset
            guard let type = reader.u16(), let length = reader.u16(), let value = reader.take(Int(length)),
                reader.skip(-Int(length) & 3)
            else { throw .badAttribute }
            if type == Attribute.fingerprint {
                guard value.count == 4, reader.remaining == 0 else { throw .badFingerprint }
                let sum = CRC32.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<start])) ^ Self.fingerprintMask
                var field = ByteReader(value)
                guard field.u32() == sum else { throw .badFingerprint }
                hasFingerprint = true
            } else if integrityOffset == nil {
                try read(type, value, start: start)
            }
        }
    }

    /// Parses the bytes of an array.
    ///
    /// - Throws: `STUNError` when the bytes are not a binding message.
    public init(_ bytes: [UInt8]) throws(STUNError) {
        self = try bytes.withRawBytes { (raw) throws(STUNError) in try STUNMessage(raw) }
    }

    /// Whether MESSAGE-INTEGRITY is there.
    public var hasIntegrity: Bool { integrityOffset != nil }

    /// Checks MESSAGE-INTEGRITY, in constant time, against the bytes that were parsed.
    ///
    /// - Parameters:
    ///   - bytes: the datagram that this message was parsed from.
    ///   - password: the short-term credential's password.
    public func isAuthentic(_ bytes: UnsafeRawBufferPointer, password: String) -> Bool {
        guard let offset = integrityOffset, offset + 24 <= bytes.count else { return false }
        var signed = Array(bytes[..<offset])
        let length = UInt16(truncatingIfNeeded: offset - 20 + 24)
        signed[2] = UInt8(length >> 8)
        signed[3] = UInt8(truncatingIfNeeded: length)
        let expected = HMACSHA1(key: Array(password.utf8)).sign(signed)
        var difference: UInt8 = 0
        for index in 0..<20 { difference |= expected[index] ^ bytes[offset + 4 + index] }
        return difference == 0
    }

    private mutating func read(_ type: UInt16, _ value: UnsafeRawBufferPointer, start: Int) throws(STUNError) {
        var field = ByteReader(value)
        switch type {
        case Attribute.username:
            guard value.count <= 513 else { throw .badAttribute }
            username = Array(value)
        case Attribute.messageIntegrity:
            guard value.count == 20 else { throw .badAttribute }
            integrityOffset = start
        case Attribute.priority:
            guard value.count == 4 else { throw .badAttribute }
            priority = field.u32()
        case Attribute.useCandidate: useCandidate = true
        case Attribute.iceControlling:
            guard value.count == 8 else { throw .badAttribute }
            controlling = field.u64()
        case Attribute.iceControlled:
            guard value.count == 8 else { throw .badAttribute }
            controlled = field.u64()
        case Attribute.errorCode:
            guard field.skip(2), let hundreds = field.u8(), let rest = field.u8(), hundreds & 7 >= 3, rest < 100 else {
                throw .badAttribute
            }
            errorCode = Int(hundreds & 7) * 100 + Int(rest)
        case Attribute.xorMappedAddress:
            guard let address = Self.readAddress(value, transaction) else { throw .badAttribute }
            mappedAddress = address
        case Attribute.mappedAddress, Attribute.unknownAttributes, Attribute.realm, Attribute.nonce: break
        default:
            if type < 0x8000, unknownRequired.count < 16 { unknownRequired.append(type) }
        }
    }

    private static func readAddress(_ value: UnsafeRawBufferPointer, _ id: STUNTransaction) -> NetworkAddress? {
        var field = ByteReader(value)
        guard field.skip(1), let family = field.u8(), let port = field.u16() else { return nil }
        let realPort = port ^ UInt16(cookie >> 16)
        switch family {
        case 1:
            guard let address = field.u32(), field.remaining == 0 else { return nil }
            return NetworkAddress(ipv4: address ^ cookie, port: realPort)
        case 2:
            guard let high = field.u64(), let low = field.u64(), field.remaining == 0 else { return nil }
            let mask = STUNMessage.mask(id)
            return NetworkAddress(high: high ^ mask.high, low: low ^ mask.low, port: realPort)
        default: return nil
        }
    }

    static func mask(_ id: STUNTransaction) -> (high: UInt64, low: UInt64) {
        (UInt64(cookie) << 32 | id.high >> 32, id.high << 32 | UInt64(id.low))
    }
}
