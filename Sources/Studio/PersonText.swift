// What people are called: short for those who read it, and for those who must draw and send it.

internal import Web

enum PersonText {
    /// Checks a name or a title.
    ///
    /// One character may be made of any number of marks, so bytes are counted as well: the names of all on stage go to the
    /// compositor in one message.
    ///
    /// - Throws: `Problem` 422 unless it has `least` to 100 characters, at most 400 bytes of UTF-8 and no control characters.
    static func check(_ text: String, _ what: String, least: Int, pointer: String) throws(Problem) {
        guard text.utf8.count <= 400, (least...100).contains(text.count) else {
            throw .invalid("\(what) has \(least) to 100 characters, and at most 400 bytes.", pointer: pointer)
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
            throw .invalid("\(what) has no control characters.", pointer: pointer)
        }
    }
}
