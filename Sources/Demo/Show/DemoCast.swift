// Who and what the demo shows.

/// The three speakers and the deck.
enum DemoCast {
    /// A speaker: the name that others see, what they are, and how they look and sound.
    struct Member: Sendable, Hashable {
        var name: String, title: String, look: SpeakerLook
    }

    static let members = [
        Member(
            name: "Zoë Ferreira", title: "Synthetic speaker, 440 Hz",
            look: SpeakerLook(red: 224, green: 88, blue: 64, pitchHz: 440)),
        Member(
            name: "Aiko Tanaka", title: "Synthetic speaker, 660 Hz",
            look: SpeakerLook(red: 48, green: 168, blue: 112, pitchHz: 660)),
        Member(
            name: "Jonas Lindqvist", title: "Synthetic speaker, 880 Hz",
            look: SpeakerLook(red: 72, green: 112, blue: 232, pitchHz: 880)),
    ]

    static let slides = [
        Slide(
            title: "Proscenium",
            lines: ["A virtual-event production studio", "Speakers, slides and polls", "One clock from camera to poll"]),
        Slide(
            title: "How this picture is made",
            lines: [
                "Three speakers send VP8 and Opus", "The compositor draws 1080p30", "The output encodes five qualities",
            ]),
        Slide(
            title: "What you can try",
            lines: [
                "Join as a speaker by the link", "Change the layout in the producer's page", "Ask the room a question",
            ]),
        Slide(
            title: "What happens next",
            lines: ["Another layout every 20 seconds", "Another slide every 10 seconds", "It goes on until Ctrl-C"]),
    ]
}
