import Media
import Synchronization
import Testing

@testable import Interactivity

@Suite("The one writer")
struct GroupCommitTests {
    @Test("shares commits among many, and acknowledges in the serial order")
    func groups() async throws {
        let folder = try TemporaryFolder(), writer = GroupCommit(store: DatabaseStore(try folder.open()))
        let order = Order()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2000 {
                group.addTask {
                    _ = try await writer.perform(
                        { try StoreConformanceTests.append($0, 1) }, committed: { order.add($0.offset) })
                }
            }
            try await group.waitForAll()
        }
        #expect(order.list == Array(1...2000))
        #expect(writer.commits < 1000)
    }

    @Test("refuses what does not fit into its queue, and never answers yes for it")
    func overload() async throws {
        let folder = try TemporaryFolder()
        let writer = GroupCommit(store: DatabaseStore(try folder.open()), queueLimit: 10)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<3000 {
                group.addTask { (try? await writer.perform { try StoreConformanceTests.append($0, 1) }) != nil }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        let head = try await writer.perform { try $0.head(.timeline, of: gala) }
        #expect(head.position.offset == Int64(outcomes))
        #expect(writer.refused == UInt64(3000 - outcomes))
        #expect(writer.refused > 0)
    }

    final class Order: Sendable {
        private let offsets = Mutex<[Int64]>([])
        func add(_ offset: Int64) { offsets.withLock { $0.append(offset) } }
        var list: [Int64] { offsets.withLock(\.self) }
    }
}
