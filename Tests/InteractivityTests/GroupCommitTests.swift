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
        // How many share one is a matter of how long the disk takes.
        #expect(writer.commits < 2000)
    }

    @Test("refuses what does not fit into its queue, and never answers yes for it")
    func overload() async throws {
        let folder = try TemporaryFolder()
        let writer = GroupCommit(store: DatabaseStore(try folder.open()), queueLimit: 10)
        let held = BoundedQueue<Bool>(capacity: 1), gate = BoundedQueue<Bool>(capacity: 1)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            // A disk that takes its time: until somebody was refused.
            group.addTask {
                (try? await writer.perform { transaction in
                    let appended = try StoreConformanceTests.append(transaction, 1)
                    held.push(true)
                    _ = gate.pop()
                    return appended
                }) != nil
            }
            while held.popNow() == nil { await Task.yield() }
            for _ in 0..<3000 {
                group.addTask { (try? await writer.perform { try StoreConformanceTests.append($0, 1) }) != nil }
            }
            while writer.refused == 0 { await Task.yield() }
            gate.push(true)
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        let head = try await writer.perform { try $0.head(.timeline, of: gala) }
        #expect(head.position.offset == Int64(outcomes))
        #expect(writer.refused == UInt64(3001 - outcomes))
        #expect(writer.refused > 0)
    }

    final class Order: Sendable {
        private let offsets = Mutex<[Int64]>([])
        func add(_ offset: Int64) { offsets.withLock { $0.append(offset) } }
        var list: [Int64] { offsets.withLock(\.self) }
    }
}
