// The mean colours of areas: exact, cut to the picture, and safe with any numbers.

import Control
import Media
import Testing

@testable import Compositor

@Suite("The meter")
struct CanvasMeterTests {
    @Test("counts what is to be read of a picture, and nothing beside it")
    func pixels() {
        let whole = CanvasArea(x: 0, y: 0, width: 16_384, height: 16_384)
        #expect(CanvasArea.pixels(of: [], width: 64, height: 32) == 0)
        #expect(CanvasArea.pixels(of: [whole, whole], width: 64, height: 32) == 2 * 64 * 32)
        let odd = [
            CanvasArea(x: 60, y: 30, width: 10, height: 10), CanvasArea(x: 64, y: 0, width: 1, height: 1),
            CanvasArea(x: .max, y: .max, width: .max, height: .max), CanvasArea(x: .min, y: -2, width: 3, height: 4),
        ]
        #expect(CanvasArea.pixels(of: odd, width: 64, height: 32) == 4 * 2)
    }

    @Test("reads the mean of what lies in each area, and cuts areas to the picture")
    func means() {
        let picture = VideoFrame(width: 64, height: 32)
        picture.fill(y: 100, u: 90, v: 160)
        for row in 0..<32 { for column in 32..<64 { picture.y[row * picture.lumaStride + column] = UInt8(20 + row) } }
        for row in 0..<16 { for column in 16..<32 { picture.u[row * picture.chromaStride + column] = 30 } }
        let areas = [
            CanvasArea(x: 2, y: 4, width: 20, height: 10), CanvasArea(x: 40, y: 0, width: 8, height: 4),
            CanvasArea(x: 0, y: 0, width: 16_384, height: 16_384), CanvasArea(x: 31, y: 1, width: 1, height: 1),
            CanvasArea(x: 64, y: 0, width: 10, height: 10),
        ]
        let reading = CanvasReading(picture, areas)
        #expect(reading.width == 64 && reading.height == 32 && reading.areas.map(\.area) == areas)
        #expect(reading.areas[0] == .init(area: areas[0], luma: 100, cb: 90, cr: 160))
        #expect(reading.areas[1] == .init(area: areas[1], luma: 21.5, cb: 30, cr: 160))
        #expect(reading.areas[2] == .init(area: areas[2], luma: 67.75, cb: 60, cr: 160))
        #expect(reading.areas[3] == .init(area: areas[3], luma: 100, cb: 90, cr: 160))
        #expect(reading.areas[4] == .init(area: areas[4]))
    }

    @Test("numbers that fit into no picture never trap")
    func hostile() {
        let picture = VideoFrame(width: 16, height: 16)
        picture.fill(y: 16, u: 128, v: 128)
        let numbers = [Int.min, -1, 0, 1, 15, 16, Int.max]
        for x in numbers {
            for width in numbers {
                let area = CanvasArea(x: x, y: width, width: width, height: x)
                let mean = CanvasReading(picture, [area]).areas[0]
                #expect(mean.luma == nil || mean.luma == 16)
            }
        }
    }
}
