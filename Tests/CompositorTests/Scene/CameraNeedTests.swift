import Control
import Media
import Testing

@testable import Compositor

@Suite("How large a camera's picture has to be")
struct CameraNeedTests {
    private static let canvas = PixelSize(width: 1920, height: 1080)
    private let ada = SceneSource.participant("ada"), ben = SceneSource.participant("ben")

    private func member(_ id: String, zoom: Double = 1, isLayered: Bool = true) -> CastMember {
        CastMember(
            id: id, name: id, isOnStage: true, zoom: zoom, sources: [.camera],
            layeredSources: isLayered ? [.camera] : [])
    }

    private func needs(
        _ layout: String, _ cast: [CastMember], _ pictures: [SceneSource: VideoFrame],
        _ direction: ProgramDirection = ProgramDirection(), slots: [String: SlotSources] = [:]
    ) throws -> [SceneSource: CameraNeed] {
        let look = ProgramLook(
            scene: Scene(layout: layout, slots: slots), layout: try LayoutTests.layout(layout), cast: cast)
        return look.cameraNeeds(
            .init(pictures: pictures, direction: direction), GraphicsStore(canvas: Self.canvas), Self.canvas)
    }

    private func picture(_ width: Int, _ height: Int) -> VideoFrame { Pictures.plain(width, height, y: 100) }

    @Test("the whole canvas for who fills it, whichever layer comes now", arguments: [(320, 180), (1280, 720)])
    func full(_ width: Int, _ height: Int) throws {
        let need = try needs("full", [member("ada")], [ada: picture(width, height)])[ada]
        #expect(need?.size == PixelSize(width: 1920, height: 1080))
        #expect(need?.picture == PixelSize(width: width, height: height))
        #expect(need?.isLayered == true)
    }

    @Test("the longer of both sides where a place has another shape, because the rest is cut off")
    func cropped() throws {
        let cast = [member("ada"), member("ben")]
        let needs = try needs("pip", cast, [ada: picture(640, 360), ben: picture(640, 360)])
        #expect(needs[ada]?.size == PixelSize(width: 1920, height: 1080))
        let inset = try #require(needs[ben])
        // 420 × 264 pixels of the canvas: its height decides.
        #expect(abs(inset.size.height - 264) <= 2 && abs(inset.size.width - 470) <= 4, "\(inset)")
        #expect(inset.isFilled(by: PixelSize(width: 640, height: 360)))
        #expect(!inset.isFilled(by: PixelSize(width: 320, height: 180)))
    }

    @Test("more for who is enlarged, and the sides as they are sent of who is turned")
    func zoomedAndTurned() throws {
        #expect(
            try needs("full", [member("ada", zoom: 2)], [ada: picture(640, 360)])[ada]?.size
                == PixelSize(width: 3840, height: 2160))
        let upright = picture(640, 360)
        upright.rotation = .clockwise90
        let need = try #require(try needs("full", [member("ada")], [ada: upright])[ada])
        #expect(need.size.width > need.size.height, "sent lying, seen upright: \(need)")
    }

    @Test("for who has no picture yet what their place would need")
    func awaited() throws {
        let need = try #require(try needs("full", [member("ada")], [:])[ada])
        #expect(need.size == PixelSize(width: 1920, height: 1080) && need.picture == nil)
    }

    @Test("nothing of who has no place, and a large one of who begins to speak where speakers come to the front")
    func speaking() throws {
        let cast = ["ada", "ben", "cora"].map { member($0) }
        let pictures = Dictionary(
            uniqueKeysWithValues: cast.map { (SceneSource.participant($0.id), picture(640, 360)) })
        let still = try needs("full", cast, pictures)
        #expect(Set(still.keys) == [ada])
        let silent = try needs("active-speaker", cast, pictures, .init(order: ["ada", "ben", "cora"]))
        let large = try #require(silent[ada])
        #expect(silent[ben].map { $0.size.height < large.size.height } ?? true)
        let spoken = try needs(
            "active-speaker", cast, pictures, .init(order: ["ada", "ben", "cora"], speaking: ["ben"]))
        #expect(try #require(spoken[ben]).size.height >= large.size.height)
    }

    @Test("slides, stills and shared screens ask nobody's camera for anything")
    func others() throws {
        let screen = SceneSource.screen("ada")
        let needs = try needs(
            "share-with-speakers", [member("ada")], [ada: picture(640, 360), screen: picture(1280, 720)],
            slots: ["content": SlotSources([screen])])
        #expect(Set(needs.keys) == [ada])
    }
}

@Suite("Which size is asked for of a camera")
struct LayerWishesTests {
    private let ada = SceneSource.participant("ada")

    private func time(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1_000_000 + milliseconds) }

    private func need(_ height: Int, has picture: Int? = nil, isLayered: Bool = true) -> [SceneSource: CameraNeed] {
        func size(_ height: Int) -> PixelSize { PixelSize(width: height * 16 / 9, height: height) }
        return [ada: CameraNeed(size: size(height), picture: picture.map(size), isLayered: isLayered)]
    }

    @Test(
        "a larger one at once, a smaller one when it has been enough for two seconds, the smallest of who is not seen")
    func hysteresis() {
        var wishes = LayerWishes()
        #expect(wishes.size(of: ada) == LayerSize(width: 1, height: 1))
        wishes.follow(need(360), at: time(0))
        #expect((350...360).contains(wishes.size(of: ada).height))
        wishes.follow(need(720), at: time(100))
        #expect((700...720).contains(wishes.size(of: ada).height))
        wishes.follow(need(180), at: time(200))
        wishes.follow(need(180), at: time(2100))
        #expect(wishes.size(of: ada).height > 700, "it may come back")
        wishes.follow(need(720), at: time(2150))
        wishes.follow(need(180), at: time(2200))
        wishes.follow(need(180), at: time(4100))
        #expect(wishes.size(of: ada).height > 700, "it has come back")
        wishes.follow(need(180), at: time(4300))
        #expect((170...180).contains(wishes.size(of: ada).height))
        wishes.follow([:], at: time(5000))
        #expect(wishes.size(of: ada).height > 100)
        wishes.follow([:], at: time(7100))
        #expect(wishes.size(of: ada) == LayerSize(width: 1, height: 1))
    }

    @Test("rounding does not swing between two layers")
    func rounding() {
        var wishes = LayerWishes(), asked: Set<LayerSize> = []
        for step in 0..<200 {
            wishes.follow(need(step.isMultiple(of: 2) ? 360 : 361), at: time(Int64(step) * 100))
            if step > 1 { asked.insert(wishes.size(of: ada)) }
        }
        #expect(asked.count == 1, "\(asked)")
    }

    @Test("a layer of exactly the size of its place is asked for as such")
    func exact() {
        var wishes = LayerWishes()
        wishes.follow(need(360), at: time(0))
        let asked = wishes.size(of: ada)
        #expect(asked.width <= 640 && asked.height <= 360)
    }

    @Test("one that is on its way is waited for until it is there, though it may not fill the place either")
    func growing() {
        var wishes = LayerWishes()
        wishes.follow(need(180, has: 180), at: time(0))
        wishes.follow(need(1080, has: 180), at: time(100))
        #expect(wishes.growing(need(1080, has: 180), at: time(110)) == [ada])
        #expect(wishes.growing(need(1080, has: 1080), at: time(110)) == [])
        #expect(wishes.growing(need(1080, has: 720), at: time(240)) == [], "it is the largest there is")
        #expect(wishes.growing(need(1080, has: 180, isLayered: false), at: time(110)) == [], "there is no other")
        #expect(wishes.growing(need(1080), at: time(110)) == [], "without any picture it is waited for anyway")
        #expect(wishes.growing(need(1080, has: 180), at: time(1310)) == [])
    }

    @Test("it is not waited for again where it did not come, until one has come")
    func thinLine() {
        var wishes = LayerWishes()
        wishes.follow(need(720, has: 180), at: time(0))
        wishes.follow(need(720, has: 180), at: time(1300))
        // Small for a while, then large again: the sender's line is as thin as before.
        wishes.follow(need(100, has: 180), at: time(1400))
        wishes.follow(need(100, has: 180), at: time(3500))
        wishes.follow(need(720, has: 180), at: time(3600))
        #expect(wishes.growing(need(720, has: 180), at: time(3610)) == [])
        // Nobody shows it for a minute, and then somebody does.
        wishes.follow([:], at: time(4000))
        wishes.follow([:], at: time(6100))
        wishes.follow(need(720), at: time(66_000))
        #expect(wishes.growing(need(720, has: 180), at: time(66_100)) == [])
        // It has become wider meanwhile.
        wishes.follow(need(720, has: 720), at: time(67_000))
        wishes.follow(need(100, has: 720), at: time(67_100))
        wishes.follow(need(100, has: 180), at: time(69_200))
        wishes.follow(need(720, has: 180), at: time(69_300))
        #expect(wishes.growing(need(720, has: 180), at: time(69_310)) == [ada])
    }

    @Test("after the first picture of a camera that nobody showed a larger one is waited for, but not for long")
    func first() {
        var wishes = LayerWishes()
        wishes.follow(need(1080), at: time(0))
        #expect(wishes.growing(need(1080, has: 180), at: time(300)) == [ada])
        #expect(wishes.growing(need(1080, has: 180), at: time(690)) == [ada])
        #expect(wishes.growing(need(1080, has: 180), at: time(700)) == [])
        // What it sends at most is known by the next time.
        wishes.follow(need(1080, has: 720), at: time(2000))
        wishes.follow([:], at: time(2100))
        wishes.follow([:], at: time(4200))
        wishes.follow(need(1080), at: time(9000))
        #expect(wishes.growing(need(1080, has: 180), at: time(9200)) == [ada])
        #expect(wishes.growing(need(1080, has: 720), at: time(9300)) == [])
    }
}
