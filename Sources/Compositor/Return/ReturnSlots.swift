// Which of the feed's mixes is whose: sections of a description are never taken back, so they change their owners.

/// The mixes of one connection and their owners; a plain value.
struct ReturnSlots: Sendable, Hashable {
    /// The most mixes.
    static let limit = MixMinus.limit

    /// The owner of each mix by its number; nil for one that is free.
    private(set) var owners: [String?] = []

    /// Gives each listener a mix: those who stay keep theirs, those who come get a free one or a new one.
    ///
    /// - Parameter listeners: participants; those above the limit get none.
    mutating func assign(_ listeners: Set<String>) {
        for index in owners.indices where owners[index].map({ !listeners.contains($0) }) == true { owners[index] = nil }
        for listener in listeners.subtracting(owners.compactMap(\.self)).sorted() {
            if let free = owners.firstIndex(of: nil) {
                owners[free] = listener
            } else if owners.count < Self.limit {
                owners.append(listener)
            }
        }
    }

    /// The number of each listener's mix.
    var numbers: [String: Int] {
        var numbers: [String: Int] = [:]
        for (index, owner) in owners.enumerated() { if let owner { numbers[owner] = index } }
        return numbers
    }
}
