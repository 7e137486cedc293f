// Playlists, compared whole.

import Media
import Output
import Testing

@Suite("Playlists")
struct PlaylistTests {
    @Test("a media playlist in the middle of an event")
    func media() {
        let start = ProgramTime(milliseconds: 1_767_225_600_000)  // 2026-01-01T00:00:00Z
        let playlist = MediaPlaylist(
            targetDuration: 6, mediaSequence: 41, discontinuitySequence: 2, holdBack: 18,
            segments: [
                .init(uri: "a1-41.ts", from: start, to: start.advanced(byMilliseconds: 6000), isDiscontinuity: false),
                .init(
                    uri: "b2-42.ts", from: start.advanced(byMilliseconds: 60_000),
                    to: start.advanced(byMilliseconds: 62_034),
                    isDiscontinuity: true),
            ], isEnded: false)
        #expect(
            playlist.render() == """
                #EXTM3U
                #EXT-X-VERSION:6
                #EXT-X-INDEPENDENT-SEGMENTS
                #EXT-X-TARGETDURATION:6
                #EXT-X-MEDIA-SEQUENCE:41
                #EXT-X-DISCONTINUITY-SEQUENCE:2
                #EXT-X-SERVER-CONTROL:HOLD-BACK=18
                #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
                #EXTINF:6.000,
                a1-41.ts
                #EXT-X-DISCONTINUITY
                #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:01:00.000Z
                #EXTINF:2.034,
                b2-42.ts

                """)
    }

    @Test("an ended playlist says so, an empty one lists nothing", arguments: [true, false])
    func ends(isEnded: Bool) {
        let text = MediaPlaylist(
            targetDuration: 6, mediaSequence: 7, discontinuitySequence: 0, holdBack: 18, segments: [], isEnded: isEnded
        ).render()
        #expect(text.hasSuffix(isEnded ? "HOLD-BACK=18\n#EXT-X-ENDLIST\n" : "HOLD-BACK=18\n"))
    }

    @Test(
        "dates of leap years and centuries",
        arguments: [
            (951_782_399_999, "2000-02-28T23:59:59.999Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func dates(milliseconds: Int64, text: String) {
        let time = ProgramTime(milliseconds: milliseconds)
        let playlist = MediaPlaylist(
            targetDuration: 6, mediaSequence: 0, discontinuitySequence: 0, holdBack: 18,
            segments: [.init(uri: "x", from: time, to: time.advanced(byMilliseconds: 6000), isDiscontinuity: false)],
            isEnded: false)
        #expect(playlist.render().contains("#EXT-X-PROGRAM-DATE-TIME:\(text)\n"))
    }

    @Test("a master playlist of two rungs")
    func master() {
        let playlist = MasterPlaylist(variants: [
            .init(
                uri: "1080p/index.m3u8", bandwidth: 5_400_000, averageBandwidth: 4_300_000,
                codecs: ["avc1.640028", "mp4a.40.2"],
                resolution: PictureSize(width: 1920, height: 1080), frameRate: FrameRate(30)),
            .init(
                uri: "360p/index.m3u8", bandwidth: 1_500_000, averageBandwidth: 1_200_000,
                codecs: ["avc1.64001e", "mp4a.40.2"],
                resolution: PictureSize(width: 640, height: 360), frameRate: FrameRate(30000, 1001)),
        ])
        #expect(
            playlist.render() == """
                #EXTM3U
                #EXT-X-VERSION:6
                #EXT-X-INDEPENDENT-SEGMENTS
                #EXT-X-STREAM-INF:BANDWIDTH=5400000,AVERAGE-BANDWIDTH=4300000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,FRAME-RATE=30.000,CLOSED-CAPTIONS=NONE
                1080p/index.m3u8
                #EXT-X-STREAM-INF:BANDWIDTH=1500000,AVERAGE-BANDWIDTH=1200000,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,CLOSED-CAPTIONS=NONE
                360p/index.m3u8

                """)
    }
}
