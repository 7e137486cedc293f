import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("What a slot says of its pictures")
struct SlotLookTests {
    private func resolve(
        _ layout: String, _ present: SourcesPresent, _ scene: Scene = Scene(layout: "x")
    ) throws -> [DrawOperation] {
        SceneResolver.resolve(
            scene, layout: try Layout(json: Data(layout.utf8)), present: present, time: ProgramTime(milliseconds: 0),
            canvas: ResolverTests.canvas)
    }

    private func upright(_ fit: Layout.Fit? = nil) -> SourcesPresent {
        SourcesPresent(participants: [
            .init(id: "p", name: "P", camera: PixelSize(width: 720, height: 1280), fit: fit)
        ])
    }

    @Test("an upright phone is seen whole before its own blurred picture, unless somebody says otherwise")
    func portrait() throws {
        func layout(_ more: String) -> String {
            #"{"name":"x","slots":[{"id":"a","rect":[0,0,64,36],"default":"auto"\#(more)}]}"#
        }
        let whole = PixelRect(width: 1920, height: 1080)
        for more in ["", #","portrait":"blur-fill""#, #","fit":"fit","portrait":"blur-fill""#] {
            let operations = try resolve(layout(more), upright())
            guard operations.count == 3, case .backdrop(.participant("p"), let behind) = operations[1],
                case .tile(.participant("p"), let tile) = operations[2]
            else {
                Issue.record("\(operations)")
                continue
            }
            #expect(behind.rect == whole && behind.crop.width == 720 && behind.crop.height < 410)
            #expect(tile.crop == PixelRect(width: 720, height: 1280))
            #expect(tile.rect == PixelRect(x: 656, y: 0, width: 608, height: 1080))
        }
        let cases: [(String, Layout.Fit?, Int)] = [
            (#","portrait":"fill""#, nil, 1920), (#","portrait":"fit""#, nil, 608), (#","fit":"fit""#, nil, 608),
            ("", .fill, 1920), ("", .fit, 608),
        ]
        for (more, fit, width) in cases {
            let operations = try resolve(layout(more), upright(fit))
            guard operations.count == 2, case .tile(_, let tile) = operations[1] else {
                Issue.record("\(operations)")
                continue
            }
            #expect(tile.rect.width == width, "\(more) \(String(describing: fit))")
        }
        // In an upright place it just fills it, and so does a camera that is held the usual way anywhere.
        let narrow = #"{"name":"x","slots":[{"id":"a","rect":[0,0,20,36],"default":"auto"}]}"#
        #expect(try resolve(narrow, upright()).count == 2)
        #expect(try resolve(layout(""), SourcesPresent(participants: ResolverTests.people(1))).count == 2)
    }

    @Test("a border lies around what is seen, and has another colour around who speaks")
    func border() throws {
        let layout = #"""
            {"name":"x","slots":[{"id":"a","rect":[0,0,64,20],"default":"auto","corner":1,
            "border":{"width":0.2,"color":"#ffffff","active":"#00ff00"},
            "flow":{"direction":"row","max":3,"gap":1,"tile":[16,9]}},
            {"id":"b","rect":[0,20,32,16],"default":"screen:p0","border":{"width":0.5,"active":"#ff0000"}}]}
            """#
        var present = SourcesPresent(
            participants: ResolverTests.people(3), direction: ProgramDirection(speaking: ["p1"]))
        present.participants[2].camera = nil
        present.participants[0].screen = PixelSize(width: 1280, height: 720)
        let operations = try resolve(layout, present)
        let borders = operations.compactMap { operation -> (SceneSource, PixelRect, Int, String)? in
            guard case .border(let source, let rect, let width, let color, _) = operation else { return nil }
            return (source, rect, width, color.text)
        }
        #expect(borders.map(\.0) == [.participant("p0"), .participant("p1"), .participant("p2")])
        #expect(borders.map(\.3) == ["#ffffff", "#00ff00", "#ffffff"])
        #expect(borders.allSatisfy { $0.2 == 6 })
        for (index, border) in borders.enumerated() where index < 2 {
            guard case .tile(_, let tile) = operations[1 + 2 * index] else {
                Issue.record("\(operations)")
                return
            }
            #expect(tile.rect == border.1)
        }
    }

    @Test("overlays and flows stay out of the edges that are not safe")
    func safe() throws {
        let layout = #"""
            {"name":"x","safe":{"top":3,"bottom":4,"left":2,"right":5},"lowerThird":[0,31,34,5],
            "slots":[{"id":"back","rect":[0,0,64,36],"default":"participant:p0"},
            {"id":"a","rect":[0,0,64,36],"default":"auto","flow":{"direction":"grid","max":9,"gap":1}}]}
            """#
        var scene = Scene(layout: "x")
        scene.overlays = Overlays(
            lowerThirds: [LowerThird(name: "A"), LowerThird(name: "B")], ticker: Ticker(text: "t"),
            logo: Logo(asset: "mark", corner: .topLeft), countdown: Countdown(untilProgramTime: 10_000),
            poll: PollCard(question: "?", options: (0..<8).map { .init(text: "\($0)") }))
        let present = SourcesPresent(
            participants: ResolverTests.people(10), images: ["mark": PixelSize(width: 300, height: 100)])
        let unit = 30, safe = PixelRect(x: 2 * unit, y: 3 * unit, width: 57 * unit, height: 29 * unit)
        var seen = 0
        for operation in try resolve(layout, present, scene) {
            let rect: PixelRect
            switch operation {
            case .tile(.participant("p0"), let placement):
                #expect(placement.rect == PixelRect(width: 1920, height: 1080), "what is placed by hand stays")
                continue
            case .tile(_, let placement): rect = placement.rect
            case .overlay(let overlay): rect = overlay.rect
            default: continue
            }
            seen += 1
            #expect(rect == rect.clipped(to: safe), "\(operation)")
        }
        #expect(seen == 9 + 6)
    }

    @Test("a slot lies elsewhere while it is the only one that shows anything")
    func alone() throws {
        let layout = #"""
            {"name":"x","slots":[{"id":"a","rect":[0,0,40,36],"alone":[0,0,64,36],"default":"auto","corner":1},
            {"id":"b","rect":[40,0,20,36],"default":"auto"}]}
            """#
        func first(_ count: Int) throws -> DrawOperation.Placement? {
            let people = SourcesPresent(participants: ResolverTests.people(count))
            guard case .tile(_, let placement)? = try resolve(layout, people).dropFirst().first else { return nil }
            return placement
        }
        #expect(try first(1)?.rect == PixelRect(width: 1920, height: 1080))
        #expect(try first(1)?.cornerRadius == 0, "the canvas has no round corners")
        #expect(try first(2)?.rect == PixelRect(width: 1200, height: 1080))
        #expect(try first(2)?.cornerRadius == 30)
        #expect(try first(0) == nil)
    }

    @Test("a slot in the order of speaking takes who was chosen, the others in their order")
    func order() throws {
        let layout = #"""
            {"name":"x","slots":[{"id":"a","rect":[0,0,40,36],"default":"auto","order":"speaking"},
            {"id":"b","rect":[40,0,20,36],"default":"auto","flow":{"direction":"column","max":2}}]}
            """#
        var present = SourcesPresent(
            participants: ResolverTests.people(5), direction: ProgramDirection(order: ["p3", "p1", "p2", "p0"]))
        func shown() throws -> [SceneSource] {
            try resolve(layout, present).compactMap { if case .tile(let source, _) = $0 { source } else { nil } }
        }
        #expect(try shown() == [.participant("p3"), .participant("p0"), .participant("p1")])
        // Who is not on stage is not taken, whatever is heard of them.
        present.participants[3].isOnStage = false
        #expect(try shown() == [.participant("p1"), .participant("p0"), .participant("p2")])
        present.direction = ProgramDirection()
        #expect(try shown() == [.participant("p0"), .participant("p1"), .participant("p2")])
    }

    @Test(
        "a screen that takes over comes into the slot for screens; what fits stays, and what is shown already is left")
    func takeover() throws {
        let share = try LayoutTests.layout("share-with-speakers")
        let scene = Scene(
            layout: "grid", background: .color(RGBColor(red: 1, green: 2, blue: 3)),
            slots: ["speakers": SlotSources([.participant("b"), .auto])], slides: Slides(deck: "d", page: 2))
        let taken = try #require(scene.takenOver(by: share, screen: "a"))
        #expect(taken.layout == "share-with-speakers" && taken.background == scene.background)
        #expect(taken.slots["content"]?.sources == [.screen("a")])
        #expect(taken.slots["speakers"] == scene.slots["speakers"])
        var shown = scene
        shown.slots["speakers"] = SlotSources([.screen("a"), .auto])
        #expect(shown.takenOver(by: share, screen: "a") == nil)
        #expect(scene.takenOver(by: try LayoutTests.layout("holding"), screen: "a") == nil)
    }
}
