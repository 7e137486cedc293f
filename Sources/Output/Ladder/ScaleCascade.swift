// One decoded picture to the sizes of all rungs, each from the next larger one.

import Media

/// Scales for all rungs; confined to the front thread.
final class ScaleCascade {
    private final class Stage {
        let scaler: Scaler
        let pool: VideoFramePool
        init(source: PictureSize, color: ColorDescription, target: PictureSize, poolCapacity: Int) throws(AVError) {
            scaler = try Scaler(source: source, color: color, target: target)
            pool = VideoFramePool(width: target.width, height: target.height, capacity: poolCapacity)
        }
    }

    private let sizes: [PictureSize]
    private let poolCapacity: Int
    private var stages: [Stage?] = []
    private var source = PictureSize(width: 0, height: 0)
    private var color = ColorDescription.program
    private var lastInput: ObjectIdentifier?
    private var lastOutput: [VideoFrame] = []
    /// Kept so that its identity stays its own while it is remembered.
    private var lastPicture: VideoFrame?

    init(rungs: [Rung], poolCapacity: Int) {
        sizes = rungs.map(\.size)
        self.poolCapacity = poolCapacity
    }

    /// Gives the picture in every rung's size, largest first; nil when all memory is in use.
    ///
    /// A repeated picture is not scaled again.
    func scale(_ picture: VideoFrame) throws(AVError) -> [VideoFrame]? {
        if lastInput == ObjectIdentifier(picture), !lastOutput.isEmpty { return lastOutput }
        let size = PictureSize(width: picture.width, height: picture.height)
        if stages.isEmpty || size != source || color != picture.color { try prepare(size, picture.color) }
        var results: [VideoFrame] = []
        for index in sizes.indices {
            guard let stage = stages[index] else {
                results.append(picture)
                continue
            }
            guard let target = stage.pool.take() else { return nil }
            stage.scaler.scale(feedsFromAbove(index) ? results[index - 1] : picture, into: target)
            results.append(target)
        }
        (lastInput, lastOutput, lastPicture) = (ObjectIdentifier(picture), results, picture)
        return results
    }

    /// A rung is scaled from the one above when that one is no enlargement itself.
    private func feedsFromAbove(_ index: Int) -> Bool {
        index > 0 && sizes[index - 1].width <= source.width && sizes[index - 1].height <= source.height
            && sizes[index].width <= sizes[index - 1].width && sizes[index].height <= sizes[index - 1].height
    }

    private func prepare(_ size: PictureSize, _ color: ColorDescription) throws(AVError) {
        (source, self.color) = (size, color)
        stages = []
        lastOutput = []
        for (index, target) in sizes.enumerated() {
            if target == size, color == .program {
                stages.append(nil)
                continue
            }
            let fromAbove = feedsFromAbove(index)
            stages.append(
                try Stage(
                    source: fromAbove ? sizes[index - 1] : size, color: fromAbove ? .program : color, target: target,
                    poolCapacity: poolCapacity))
        }
    }
}
