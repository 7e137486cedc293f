// The shape of a rounded corner as coverage, one square for the upper left; the others are its mirrors.

/// How much of each pixel of an upper left corner lies inside the round, for luma and for chroma.
struct CornerMask {
    /// The radius in pixels, and in chroma pixels.
    let radius: Int
    /// `radius * radius` values, row by row from the outer corner; 255 is inside.
    let coverage: [UInt8]
    /// The mean of 2×2 of them; `(radius / 2)²` values when the radius is even.
    let chromaCoverage: [UInt8]

    /// Computes a corner with 8×8 samples per pixel.
    init(radius: Int) {
        let radius = min(max(0, radius), 1024)
        self.radius = radius
        var coverage = [UInt8](repeating: 255, count: radius * radius)
        let limit = 16 * radius * 16 * radius
        for y in 0..<radius {
            for x in 0..<radius {
                // Distances from the centre of the round, in 1/16 pixels, sample centres at odd numbers.
                let farX = 16 * (radius - x), nearX = farX - 16, farY = 16 * (radius - y), nearY = farY - 16
                if farX * farX + farY * farY <= limit { continue }
                if nearX * nearX + nearY * nearY >= limit {
                    coverage[y * radius + x] = 0
                    continue
                }
                var inside = 0
                for sy in 0..<8 {
                    for sx in 0..<8 {
                        let dx = farX - 2 * sx - 1, dy = farY - 2 * sy - 1
                        if dx * dx + dy * dy <= limit { inside += 1 }
                    }
                }
                coverage[y * radius + x] = UInt8((inside * 255 + 32) / 64)
            }
        }
        self.coverage = coverage
        let half = radius / 2
        chromaCoverage = (0..<(half * half)).map { at in
            let x = 2 * (at % max(1, half)), y = 2 * (at / max(1, half))
            let sum = [0, 1, radius, radius + 1].reduce(0) { $0 + Int(coverage[y * radius + x + $1]) }
            return UInt8((sum + 2) / 4)
        }
    }
}
