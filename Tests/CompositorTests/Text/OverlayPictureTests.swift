import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Overlays as pictures", .serialized)
struct OverlayPictureTests {
    /// Names and titles of many scripts, eight at a time.
    static let scripts: [(String, [LowerThird])] = [
        (
            "overlay-scripts-1",
            [
                LowerThird(name: "Ana María Díaz-Ågren", title: "Chief Technology Officer, Zürich"),
                LowerThird(name: "محمد عبد الله الأنصاري", title: "مدير التقنية 2026 (القاهرة)"),
                LowerThird(name: "שלום בן־דוד (CTO)", title: "מנהל טכנולוגיה, ACME 42%"),
                LowerThird(name: "श्रीमती कविता क्षत्रिय", title: "मुख्य कार्यकारी अधिकारी"),
                LowerThird(name: "สมชาย ก็ได้ น้ำใจ ผู้ใหญ่", title: "ผู้อำนวยการฝ่ายเทคโนโลยี"),
                LowerThird(name: "Zoë 👩🏽‍💻 🇨🇭 👨‍👩‍👧 ❤️", title: "Emoji & ☎ 👍🏿 text"),
            ]
        ),
        (
            "overlay-scripts-2",
            [
                LowerThird(name: "直骨角将次令", title: "ja 直骨角将次令", lang: "ja"),
                LowerThird(name: "直骨角将次令", title: "zh-Hans 直骨角将次令", lang: "zh-Hans"),
                LowerThird(name: "直骨角将次令", title: "ko 직骨角將次令", lang: "ko"),
                LowerThird(name: "直骨角將次令", title: "zh-Hant 直骨角將次令", lang: "zh-Hant"),
                LowerThird(name: "Дмитрий Ελένη ﬁŁódź", title: "Mixed: abc עברית 123 (xyz) العربية"),
                LowerThird(
                    name: "Professor Doctor Maximiliane Freifrau von und zu Guttenberg-Löwenstein-Wertheim",
                    title: String(repeating: "الأستاذة الدكتورة في جامعة بعيدة جدا ", count: 4)),
            ]
        ),
    ]

    @Test("names of many scripts are those of the golden, with the fonts of the golden", arguments: [0, 1])
    func scripts(index: Int) throws {
        let (name, people) = Self.scripts[index]
        let pictures = try OverlayPictures()
        var overlays = Overlays(lowerThirds: people)
        overlays.logo = Logo(asset: "mark")
        try pictures.hold(try pictures.picture(try pictures.operations(overlays)), against: name)
    }

    @Test("every theme looks as its golden", arguments: ["default", "light", "outline", "band"])
    func themes(theme: String) throws {
        let pictures = try OverlayPictures(width: 1280, height: 720)
        let overlays = Overlays(
            theme: theme, lowerThirds: [LowerThird(name: "Ana Díaz", title: "CTO"), LowerThird(name: "يوسف")],
            ticker: Ticker(text: "A short line of news"), logo: Logo(asset: "mark", corner: .topLeft, opacity: 0.6),
            clock: WallClock(timeZone: "Europe/Zurich", title: "Zürich", corner: .bottomRight),
            comment: Comment(
                name: "Mina Park",
                text: "How do you keep 36,000 people in step, when nobody’s network is the same? 🤔", corner: .topRight),
            poll: nil)
        try pictures.hold(
            try pictures.picture(try pictures.operations(overlays, at: 1_790_000_000_000)),
            against: "overlay-theme-" + theme)
    }

    @Test("cards: a poll with results and one without, a countdown, a ticker that runs")
    func cards() throws {
        let pictures = try OverlayPictures()
        let poll = PollCard(
            question: "Which of these would you like to hear more about in the second half?",
            options: [
                .init(text: "Accessibility", percent: 46), .init(text: "Latency", percent: 32),
                .init(text: "Réseaux & santé", percent: 22), .init(text: "日本語の字幕", percent: 0),
            ], votes: 12_345)
        var hidden = poll
        hidden.options = poll.options.map { .init(text: $0.text) }
        let rtl = PollCard(
            question: "ما هو الموضوع المفضل لديك؟",
            options: [.init(text: "الشبكات", percent: 70), .init(text: "الصوت", percent: 30)], votes: 10,
            corner: .topLeft)
        let ticker = Ticker(
            text: "A line of news that is longer than the picture is wide, with an emoji 🎉, and which therefore runs "
                + "from the right to the left, again and again, as long as it is there — العربية in the middle of it")
        let countdown = Countdown(untilProgramTime: 3_730_000, title: "We start soon")
        for (name, overlays) in [
            ("overlay-cards", Overlays(ticker: ticker, countdown: countdown, poll: poll)),
            ("overlay-cards-hidden", Overlays(ticker: Ticker(text: "قصير"), clock: WallClock(hours: 12), poll: hidden)),
            ("overlay-cards-rtl", Overlays(theme: "light", countdown: Countdown(untilProgramTime: 9000), poll: rtl)),
        ] {
            try pictures.hold(
                try pictures.picture(try pictures.operations(overlays, at: 6600)), against: name)
        }
    }

    @Test("comments break where their language allows it")
    func comments() throws {
        let pictures = try OverlayPictures()
        let texts = [
            "上海浦东开发与法制建设同步，「这里」不应该以标点开头。この文章は「日本語」です。改行は、句読点の前ではしません。",
            "การประชุมวิชาการระดับนานาชาติครั้งนี้จัดขึ้นที่กรุงเทพมหานครและมีผู้เข้าร่วมจำนวนมากจากทั่วโลก",
            "السؤال الأول: كم عدد المشاركين (36000) في هذا الحدث، وهل يمكن لهم أن يصوتوا كلهم معا في دقيقة واحدة؟",
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft hat eine Frage: wie?",
        ]
        let themes = pictures.themes
        var operations: [DrawOperation] = []
        for (text, corner) in zip(texts, OverlayCorner.allCases) {
            let overlays = Overlays(comment: Comment(name: "Name", text: text, corner: corner))
            operations += try pictures.operations(OverlayTimeline(overlays, themes: themes), at: 0)
        }
        try pictures.hold(try pictures.picture(operations), against: "overlay-comments")
    }

    @Test("a motion's pictures: a slide, a wipe, a fade, on their way")
    func motions() throws {
        let pictures = try OverlayPictures(width: 1280, height: 720)
        for (theme, at) in [("default", 1060), ("band", 1150), ("light", 1100)] as [(String, Int64)] {
            var timeline = OverlayTimeline(Overlays(theme: theme), themes: pictures.themes)
            timeline.change(
                to: Overlays(
                    theme: theme, lowerThirds: [LowerThird(name: "Ana Díaz", title: "CTO"), LowerThird(name: "שלום")],
                    ticker: Ticker(text: "news")),
                themes: pictures.themes, at: ProgramTime(milliseconds: 1000))
            let settled = try pictures.operations(timeline, at: 3000)
            pictures.store.prepare(settled, with: pictures.painter)
            let coming = try pictures.operations(timeline, at: at)
            #expect(pictures.store.prepare(coming, with: pictures.painter) == 0, "nothing is drawn for a motion")
            try pictures.hold(try pictures.picture(coming), against: "overlay-motion-" + theme)
        }
    }
}
