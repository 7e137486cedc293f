// Writing a STUN message (RFC 8489) with the attributes of ICE (RFC 8445).

public import Media

/// Builds one binding message, attribute by attribute.
public struct STUNBuilder {
    private var writer = ByteWriter(capacity: 160)
    private let transaction: STUNTransaction

    /// Starts a message.
    public init(_ kind: STUNMessage.Kind, transaction: STUNTransaction) {
        self.transaction = transaction
        writer.u16(kind.rawValue)
        writer.u16(0)
        writer.u32(STUNMessage.cookie)
        writer.u64(transaction.high)
        writer.u32(transaction.low)
    }

    /// Adds USERNAME.
    public mutating func username(_ text: String) { attribute(STUNMessage.Attribute.username, Array(text.utf8)) }

    /// Adds PRIORITY.
    public mutating func priority(_ value: UInt32) {
        header(STUNMessage.Attribute.priority, 4)
        writer.u32(value)
    }

    /// Adds USE-CANDIDATE.
    public mutating func useCandidate() { header(STUNMessage.Attribute.useCandidate, 0) }

    /// Adds ICE-CONTROLLING or ICE-CONTROLLED with its tie-breaker.
    public mutating func role(isControlling: Bool, tieBreaker: UInt64) {
        header(isControlling ? STUNMessage.Attribute.iceControlling : STUNMessage.Attribute.iceControlled, 8)
        writer.u64(tieBreaker)
    }

    /// Adds XOR-MAPPED-ADDRESS.
    public mutating func mappedAddress(_ address: NetworkAddress) {
        header(STUNMessage.Attribute.xorMappedAddress, address.isIPv4 ? 8 : 20)
        writer.u16(address.isIPv4 ? 1 : 2)
        writer.u16(address.port ^ UInt16(STUNMessage.cookie >> 16))
        if address.isIPv4 {
            writer.u32(address.ipv4 ^ STUNMessage.cookie)
        } else {
            let mask = STUNMessage.mask(transaction)
            writer.u64(address.high ^ mask.high)
            writer.u64(address.low ^ mask.low)
        }
    }

    /// Adds ERROR-CODE, 300…699, with its reason.
    public mutating func errorCode(_ code: Int, _ reason: String) {
        attribute(
            STUNMessage.Attribute.errorCode,
            [0, 0, UInt8(truncatingIfNeeded: code / 100), UInt8(truncatingIfNeeded: code % 100)]
                + Array(reason.utf8.prefix(120)))
    }

    /// Adds UNKNOWN-ATTRIBUTES.
    public mutating func unknownAttributes(_ types: [UInt16]) {
        attribute(
            STUNMessage.Attribute.unknownAttributes, types.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] })
    }

    /// Adds MESSAGE-INTEGRITY, if there is a password, then FINGERPRINT; returns the datagram.
    public consuming func finish(password: String?) -> [UInt8] {
        if let password {
            writer.patch(u16: UInt16(truncatingIfNeeded: writer.count - 20 + 24), at: 2)
            let tag = HMACSHA1(key: Array(password.utf8)).sign(writer.bytes)
            attribute(STUNMessage.Attribute.messageIntegrity, tag)
        }
        writer.patch(u16: UInt16(truncatingIfNeeded: writer.count - 20 + 8), at: 2)
        let sum = writer.bytes.withUnsafeBytes { CRC32.checksum($0) } ^ STUNMessage.fingerprintMask
        header(STUNMessage.Attribute.fingerprint, 4)
        writer.u32(sum)
        return writer.bytes
    }

    private mutating func header(_ type: UInt16, _ length: Int) {
        writer.u16(type)
        writer.u16(UInt16(truncatingIfNeeded: length))
    }

    private mutating func attribute(_ type: UInt16, _ value: [UInt8]) {
        header(type, value.count)
        writer.append(value)
        writer.pad()
    }
}
