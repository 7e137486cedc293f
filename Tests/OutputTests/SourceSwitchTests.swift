import Control
import Media
import Synchronization
import Testing

@testable import Output

@Suite("The program's source")
struct SourceSwitchTests {
    private final class Log: Sendable {
        let events = Mutex<[String]>([])
        func add(_ text: String) { events.withLock { $0.append(text) } }
        var all: [String] { events.withLock { $0 } }
    }

    private func frame(_ pts: Int64, key: Bool) -> StreamEvent {
        .frame(
            EncodedFrame(
                codec: .h264, pts: pts, dts: pts, timescale: 1000, isKeyframe: key,
                payload: ByteBlock([UInt8(pts & 255)])))
    }

    private func make() -> (SourceSwitch, delivered: Log, connections: Log) {
        let delivered = Log(), connections = Log()
        let input = SourceSwitch(
            deliver: { event in
                switch event {
                case .frame(let frame): delivered.add("frame \(frame.pts)")
                case .videoConfiguration(let record): delivered.add("video \(record.array)")
                case .audioConfiguration: delivered.add("audio")
                case .programTime: delivered.add("time")
                case .ended: delivered.add("ended")
                }
                return true
            }, onConnection: { ingest, isConnected in connections.add("\(ingest) \(isConnected)") })
        return (input, delivered, connections)
    }

    @Test("the backup is read but not shown while the primary is there, takes over at a key frame, and gives it back")
    func changeOver() {
        let (input, delivered, _) = make()
        let primary = input.sink("p", .primary), backup = input.sink("b", .backup)
        for event in [.videoConfiguration(ByteBlock([1])), frame(0, key: true)] { #expect(primary.offer(event)) }
        for event in [.videoConfiguration(ByteBlock([2])), frame(1, key: true)] { #expect(backup.offer(event)) }
        #expect(delivered.all == ["video [1]", "frame 0"])
        #expect(primary.offer(.ended(reason: "gone")))
        #expect(backup.offer(frame(2, key: false)))
        #expect(backup.offer(frame(3, key: true)))
        #expect(delivered.all.suffix(3) == ["ended", "video [2]", "frame 3"])
        #expect(primary.offer(.videoConfiguration(ByteBlock([3]))))
        #expect(primary.offer(frame(4, key: false)))
        #expect(primary.offer(frame(5, key: true)))
        #expect(delivered.all.suffix(3) == ["ended", "video [3]", "frame 5"])
        #expect(backup.offer(frame(6, key: true)))
        #expect(delivered.all.last == "frame 5")
    }

    @Test("an encoder cannot tell the program's clock")
    func clock() {
        let (input, delivered, _) = make()
        let primary = input.sink("p", .primary)
        #expect(primary.offer(.programTime(ProgramTime(milliseconds: .max), pts: 0)))
        #expect(primary.offer(frame(0, key: true)))
        #expect(delivered.all == ["frame 0"])
    }

    @Test(
        "the compositor takes over from anybody at a key frame, tells its clock first, and leaves it to others at its end"
    )
    func program() {
        let (input, delivered, connections) = make()
        let primary = input.sink("p", .primary), program = input.sink("program/e", .program)
        for event in [.videoConfiguration(ByteBlock([1])), frame(0, key: true)] { #expect(primary.offer(event)) }
        program.onRoom {}
        for event in [.videoConfiguration(ByteBlock([2])), .audioConfiguration(ByteBlock([9])), frame(1, key: true)] {
            #expect(program.offer(event))
        }
        // Without a program time its frames have no place.
        #expect(delivered.all == ["video [1]", "frame 0"])
        #expect(program.offer(.programTime(ProgramTime(milliseconds: 2000), pts: 2)))
        #expect(program.offer(frame(2, key: false)))
        #expect(delivered.all == ["video [1]", "frame 0"])
        #expect(program.offer(frame(3, key: true)))
        #expect(delivered.all.dropFirst(2) == ["ended", "video [2]", "audio", "time", "frame 3"])
        #expect(program.offer(.programTime(ProgramTime(milliseconds: 4000), pts: 4)))
        #expect(primary.offer(.programTime(ProgramTime(milliseconds: .max), pts: 4)))
        #expect(primary.offer(frame(5, key: true)))
        #expect(delivered.all.suffix(2) == ["frame 3", "time"])
        #expect(program.offer(.ended(reason: "killed")))
        #expect(primary.offer(frame(6, key: true)))
        #expect(delivered.all.suffix(3) == ["ended", "video [1]", "frame 6"])
        #expect(connections.all == ["p true"])
        #expect(input.connected == ["p"])
    }

    @Test("what is refused at the moment of taking over comes again in the same order")
    func refusal() {
        let delivered = Log()
        let isFull = Mutex(true)
        let input = SourceSwitch(
            deliver: { event in
                if isFull.withLock({ $0 }) { return false }
                if case .programTime = event { delivered.add("time") } else { delivered.add("other") }
                return true
            }, onConnection: { _, _ in })
        let program = input.sink("program/e", .program)
        #expect(program.offer(.videoConfiguration(ByteBlock([2]))))
        #expect(program.offer(.programTime(ProgramTime(milliseconds: 2000), pts: 0)))
        #expect(!program.offer(frame(0, key: true)))
        isFull.withLock { $0 = false }
        #expect(program.offer(frame(0, key: true)))
        #expect(delivered.all == ["other", "time", "other"])
    }

    @Test("an entrance is reported as connected once it is accepted, and as free once it has ended")
    func connections() {
        let (input, _, connections) = make()
        let primary = input.sink("p", .primary)
        primary.onRoom {}
        #expect(primary.offer(frame(0, key: true)))
        #expect(connections.all == ["p true"])
        #expect(primary.offer(.ended(reason: "gone")))
        #expect(connections.all == ["p true", "p false"])
        #expect(input.connected.isEmpty)
    }
}
