import Control
import Testing

@Suite("Placement")
struct PlacementTests {
    private func worker(_ id: String, _ load: Double, place: String = "a", role: WorkerRole = .output)
        -> PlacementCandidate
    {
        PlacementCandidate(id: id, role: role, place: place, capacity: 2, load: load)
    }

    @Test("takes the least used worker of the role")
    func leastUsed() {
        let workers = [worker("1", 1.5), worker("2", 0.5), worker("3", 0.1, role: .sfu)]
        #expect(Placement.choose(.output, among: workers)?.id == "2")
    }

    @Test("takes the wanted place while it has room, and another when not")
    func place() {
        let workers = [worker("1", 0.1), worker("2", 1.9, place: "b"), worker("3", 2.0, place: "c")]
        #expect(Placement.choose(.output, among: workers, near: "b")?.id == "2")
        #expect(Placement.choose(.output, among: workers, near: "c")?.id == "1")
        #expect(Placement.choose(.output, among: workers, near: "nowhere")?.id == "1")
    }

    @Test("takes nobody when all are full or of another role, and the same one of equals")
    func edges() {
        #expect(Placement.choose(.output, among: [worker("1", 2), worker("2", 0, role: .sfu)]) == nil)
        #expect(Placement.choose(.output, among: []) == nil)
        #expect(Placement.choose(.output, among: [worker("b", 1), worker("a", 1)])?.id == "a")
    }
}
