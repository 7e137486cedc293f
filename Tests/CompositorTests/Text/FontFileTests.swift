import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Fonts that people upload", .serialized)
struct FontFileTests {
    private static func read(_ name: String) throws -> Data {
        try Data(contentsOf: URL(filePath: "/usr/share/fonts/truetype/dejavu/\(name).ttf"))
    }

    /// A table's place in the file's list of tables.
    private static func place(_ name: String, in font: Data) -> Int? {
        (0..<Int(font[5])).map { 12 + 16 * $0 }.first { font[$0..<$0 + 4].elementsEqual(name.utf8) }
    }

    private static func entry(_ name: String, in font: Data) throws -> Int { try #require(place(name, in: font)) }

    @Test("a font keeps its letters and loses what is not used, and stays as it is when it is checked again")
    func kept() throws {
        let font = try Self.read("DejaVuSansMono"), checked = try FontFile.checked(font)
        #expect(checked.count < font.count && checked.count > font.count / 4)
        for name in ["glyf", "cmap", "GPOS"] { #expect(Self.place(name, in: checked) != nil, "\(name)") }
        for name in ["fpgm", "prep", "cvt ", "name"] {
            #expect(Self.place(name, in: font) != nil && Self.place(name, in: checked) == nil, "\(name)")
        }
        #expect(try FontFile.checked(checked) == checked)
    }

    @Test("what is none, or damaged, is refused with the reason")
    func refused() throws {
        let font = try Self.read("DejaVuSansMono")
        func reason(_ data: Data) -> String? {
            do throws(FontError) {
                _ = try FontFile.checked(data)
                return nil
            } catch {
                return error.reason
            }
        }
        func with(_ change: (inout Data) throws -> Void) rethrows -> Data {
            var copy = font
            try change(&copy)
            return copy
        }
        #expect(reason(Data())?.contains("neither TTF nor OTF") == true)
        #expect(reason(Data("hello, this is no font".utf8))?.contains("neither TTF nor OTF") == true)
        #expect(reason(Data("wOF2".utf8) + font.dropFirst(4))?.contains("WOFF") == true)
        #expect(reason(Data("ttcf".utf8) + font.dropFirst(4))?.contains("collection") == true)
        #expect(reason(font.prefix(font.count / 2))?.contains("cut off") == true)
        #expect(reason(font.prefix(40))?.contains("list of tables") == true)
        #expect(reason(with { $0[5] = 200 })?.contains("list of tables") == true)
        let renamed = try with { $0[try Self.entry("cmap", in: font)] = 0x78 }
        #expect(reason(renamed) == "The font lacks its table cmap.")
        // Two tables that say the same place, each nearly as long as the file.
        let overlapping = try with { data in
            for name in ["glyf", "GPOS"] {
                let at = try Self.entry(name, in: font)
                data.replaceSubrange(at + 8..<at + 12, with: [0, 0, 0, 0])
                let count = UInt32(font.count)
                data.replaceSubrange(
                    at + 12..<at + 16, with: (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) })
            }
        }
        #expect(reason(overlapping) == "The font's tables overlap.")
    }

    @Test("damaged fonts are refused or read, and never more than that")
    func damaged() throws {
        let font = try Self.read("DejaVuSansMono-Oblique")
        var seed: UInt64 = 7, taken = 0
        func random(_ below: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % below
        }
        for round in 0..<16 {
            var copy = font
            // The list of tables, or anything.
            for _ in 0..<(1 << random(8)) {
                copy[random(round % 4 == 0 ? 300 : copy.count)] = UInt8(truncatingIfNeeded: random(256))
            }
            if (try? FontFile.checked(copy)) != nil { taken += 1 }
        }
        print("\(taken) of 16 damaged fonts are still read")
        #expect(taken < 16)
    }

    @Test("overlays are written in an uploaded font once it is there, and scripts that it lacks in others")
    func used() throws {
        let pictures = try OverlayPictures()
        var timeline = OverlayTimeline(
            Overlays(font: "f1", lowerThirds: [LowerThird(name: "Illinois", title: "القاهرة 田中")]),
            themes: pictures.themes)
        let operations = try pictures.operations(timeline, at: 5000)
        pictures.store.prepare(operations, with: pictures.painter)
        let before = try pictures.graphic(of: operations[0])
        #expect(!pictures.store.has(font: "f1"))
        let font = try FontFile.checked(Self.read("DejaVuSansMono-Bold"))
        #expect(pictures.store.add(font: "f1", font, with: pictures.painter) && pictures.store.has(font: "f1"))
        let after = try pictures.graphic(of: operations[0])
        // Every letter is as wide as an m.
        #expect(after !== before && after.bounds.width > before.bounds.width * 5 / 4)
        let style = TextStyle(
            pixels: 40, family: OverlayTheme.family(ofFont: "f1"), color: RGBColor(red: 255, green: 255, blue: 255))
        let line = pictures.painter.text.line("il田中", style: style, maximumWidth: .infinity)
        #expect(line.missingGlyphs == 0)
        let advances = zip(line.shaped.glyphs, line.shaped.glyphs.dropFirst()).map { $1.x - $0.x }
        #expect(abs(advances[0] - advances[1]) < 0.5)
        timeline.change(
            to: Overlays(lowerThirds: [LowerThird(name: "Illinois")]), themes: pictures.themes,
            at: ProgramTime(milliseconds: 6000))
        #expect(timeline.presences.allSatisfy { $0.hiddenAt != nil || $0.theme.font == OverlayTheme.standard.font })
        // Each upload takes memory: there are only so many, and what was there first goes first.
        for number in 0..<12 { #expect(pictures.store.add(font: "n\(number)", font, with: pictures.painter)) }
        #expect(!pictures.store.has(font: "f1") && pictures.store.has(font: "n11"))
        #expect(!pictures.store.add(font: "bad", Data([1, 2, 3]), with: pictures.painter))
    }
}
