// Which layer fits a wish, among those that come.

import Media
import Testing

@testable import SFU

@Suite("Layer table")
struct LayerTableTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    private func at(_ milliseconds: Int64) -> MonotonicTime { start.advanced(byMilliseconds: milliseconds) }

    private func table(_ sizes: [(Int, Int)?]) -> LayerTable {
        var table = LayerTable(count: sizes.count)
        for (index, size) in sizes.enumerated() {
            guard let size else { continue }
            table.note(index, now: start)
            table.note(index, size: PictureSize(width: size.0, height: size.1))
        }
        return table
    }

    private func box(_ width: Int, _ height: Int) -> LayerWish { .fill(PictureSize(width: width, height: height)) }

    @Test("the smallest layer that fills the box is taken, and the largest when none does")
    func smallest() {
        let table = table([(320, 180), (640, 360), (1280, 720)])
        #expect(table.choose(box(1, 1)) == 0)
        #expect(table.choose(box(320, 180)) == 0)
        #expect(table.choose(box(321, 181)) == 1)
        #expect(table.choose(box(700, 400)) == 2)
        #expect(table.choose(box(2560, 1440)) == 2)
        #expect(table.choose(.top) == 2)
        #expect(table.choose(.nothing) == nil)
    }

    @Test("a picture that is shown whole need fill one side of its box")
    func oneSide() {
        let upright = table([(180, 320), (360, 640), (720, 1280)])
        #expect(upright.choose(box(1280, 320)) == 0)
        #expect(upright.choose(box(360, 2000)) == 1)
    }

    @Test("the order is that of the sizes, whatever the order of the offer")
    func order() {
        let table = table([(1280, 720), (640, 360), (320, 180)])
        #expect(table.choose(.top) == 0)
        #expect(table.choose(box(300, 170)) == 2)
        #expect(table.choose(box(640, 360)) == 1)
    }

    @Test("a layer that never comes is never chosen, and one that has stopped no more; all may be silent together")
    func absent() {
        var table = table([nil, (640, 360), (1280, 720)])
        #expect(table.choose(box(1, 1)) == 1)
        table.note(1, now: at(500))
        #expect(table.choose(.top) == 2)
        table.note(1, now: at(LayerTable.silenceMs))
        #expect(table.choose(.top) == 1, "the large one is silent while the other comes")
        #expect(!table.isActive(2) && !table.isActive(0) && table.isActive(1))
        table.note(2, now: at(1000))
        #expect(table.choose(.top) == 2)
        #expect(table.facts[2].activeSince == at(1000))
        #expect(LayerTable(count: 3).choose(.top) == nil)
        // A minute in which nothing comes at all changes nothing.
        #expect(table.isActive(1) && table.isActive(2))
    }

    @Test("layers that have not told their size stand in the order of the offer")
    func unknownSizes() {
        var table = LayerTable(count: 3)
        for layer in 0..<2 { table.note(layer, now: start) }
        #expect(table.choose(.top) == 1)
        #expect(table.choose(box(1, 1)) == 1, "nothing is known to fill it")
        table.note(0, size: PictureSize(width: 320, height: 180))
        #expect(table.choose(box(1, 1)) == 0)
    }

    @Test("a single stream is chosen from its first packet on, however long it is silent")
    func single() {
        var table = LayerTable(count: 1)
        #expect(table.choose(.top) == nil)
        table.note(0, now: start)
        #expect(table.choose(box(10, 10)) == 0 && table.isActive(0))
    }
}
