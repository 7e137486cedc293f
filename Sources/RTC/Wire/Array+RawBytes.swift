// Bytes of an array as a raw buffer, with typed throws, which the standard library's own method lacks.

extension Array where Element == UInt8 {
    func withRawBytes<Output, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Output
    ) throws(Failure) -> Output {
        let result = withUnsafeBytes { (raw) -> Result<Output, Failure> in
            do throws(Failure) { return .success(try body(raw)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
