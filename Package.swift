// swift-tools-version: 6.3
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]
// Per-packet and per-pixel code is optimised in debug builds too: one build serves unit and end-to-end tests.
let hot = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]
// Nobody loads this program's symbols, and relative relocations in short form are read at once (docs/decisions/016).
let small = [
    "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs",
]
let hotC: [CSetting] = [.unsafeFlags(["-O3"], .when(configuration: .debug)), .define("_GNU_SOURCE")]

func system(_ name: String, pkgConfig: String? = nil, apt: [String]) -> Target {
    .systemLibrary(name: name, path: "Sources/CLibraries/\(name)", pkgConfig: pkgConfig, providers: [.apt(apt)])
}

func shim(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/CLibraries/\(name)", cSettings: hotC)
}

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }

let http: [Target.Dependency] = [
    product("Hummingbird", "hummingbird"), product("HummingbirdCore", "hummingbird"),
    product("HummingbirdTLS", "hummingbird"), product("HTTPTypes", "swift-http-types"),
    product("NIOCore", "swift-nio"), product("NIOPosix", "swift-nio"), product("NIOHTTP1", "swift-nio"),
    product("NIOWebSocket", "swift-nio"), product("NIOSSL", "swift-nio-ssl"),
    product("NIOHTTPTypes", "swift-nio-extras"), product("NIOHTTPTypesHTTP1", "swift-nio-extras"),
    product("Logging", "swift-log"), product("ServiceLifecycle", "swift-service-lifecycle"),
    product("UnixSignals", "swift-service-lifecycle"),
]
// libFuzzer's driver links with nothing but its own flags: scripts/prove fuzz. Of Control and Web it has what reads and writes JSON, of
// the SFU all but the process: no network, so that little has to be built again with a sanitizer.
let fuzzing = Context.environment["PROSCENIUM_FUZZ"] != nil
// Release builds show tests nothing of their inside, but for fuzzing.
let open: [SwiftSetting] = fuzzing ? [.unsafeFlags(["-enable-testing"])] : []
let keys: [Target.Dependency] = [product("JWTKit", "jwt-kit"), product("Crypto", "swift-crypto")]

let package = Package(
    name: "proscenium",
    products: [.executable(name: "proscenium", targets: ["proscenium"])],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C libraries from Debian, and the shims that macros and variadics need.
        system("COpenSSL", pkgConfig: "openssl", apt: ["libssl-dev"]),
        system(
            "CFFmpeg", pkgConfig: "libavformat libavcodec libavutil libswscale libswresample", apt: ["libavformat-dev"]),
        system("CX264", apt: ["libx264-dev"]),
        system("CVPX", pkgConfig: "vpx", apt: ["libvpx-dev"]),
        system("COpus", pkgConfig: "opus", apt: ["libopus-dev"]),
        system(
            "CText", pkgConfig: "freetype2 harfbuzz fribidi fontconfig",
            apt: ["libfreetype-dev", "libharfbuzz-dev", "libfribidi-dev", "libfontconfig-dev"]),
        .target(
            name: "CTextBreaks", path: "Sources/CLibraries/CTextBreaks", cSettings: hotC,
            linkerSettings: [.linkedLibrary("icuuc")]),
        system("CPoppler", pkgConfig: "poppler-glib cairo", apt: ["libpoppler-glib-dev", "libcairo2-dev"]),
        system("CEBUR128", pkgConfig: "libebur128", apt: ["libebur128-dev"]),
        system("CZlib", apt: ["zlib1g-dev"]),
        // Only tests: a second opinion on SRTP.
        system("CSRTP", pkgConfig: "libsrtp2", apt: ["libsrtp2-dev"]),
        shim("CPacketIO"),
        shim("CProcess"),
        shim("CRaster"),
        shim("CMediaShims", ["CFFmpeg", "CX264", "CVPX", "COpus", "COpenSSL"]),

        .target(name: "Media", dependencies: ["CFFmpeg", "CX264", "CVPX", "COpus", "CMediaShims"], swiftSettings: hot),
        .target(name: "RTC", dependencies: ["Media", "COpenSSL", "CMediaShims"], swiftSettings: hot),
        .target(name: "RTMP", dependencies: ["Media"], swiftSettings: hot),
        .target(name: "PacketIO", dependencies: ["Media", "CPacketIO"], swiftSettings: hot + open),
        fuzzing
            ? .target(
                name: "Control", dependencies: ["Media"],
                exclude: ["HostLookup.swift", "WorkerConnection.swift", "WorkerToken.swift"], swiftSettings: strict)
            : .target(name: "Control", dependencies: ["Media", "Web"] + http + keys, swiftSettings: strict),
        fuzzing
            ? .target(
                name: "Web", dependencies: [product("HTTPTypes", "swift-http-types")],
                sources: ["JSON.swift", "Problem.swift", "StrictDecoder.swift"], swiftSettings: strict)
            : .target(
                name: "Web",
                dependencies: [
                    "Media", product("X509", "swift-certificates"), product("SwiftASN1", "swift-asn1"),
                ] + http + keys,
                swiftSettings: strict),
        .target(name: "RTCClient", dependencies: ["Media", "RTC", "PacketIO"], swiftSettings: hot),
        fuzzing
            ? .target(
                name: "SFU", dependencies: ["Media", "RTC", "PacketIO", "Control"], exclude: ["Worker"],
                swiftSettings: hot + open)
            : .target(
                name: "SFU", dependencies: ["Media", "RTC", "PacketIO", "RTCClient", "Control"] + http,
                swiftSettings: hot),
        .target(
            name: "Compositor",
            dependencies: [
                "Media", "RTC", "RTMP", "PacketIO", "RTCClient", "Control", "Web", "CText", "CTextBreaks", "CPoppler",
                "CFFmpeg", "CEBUR128", "CMediaShims", "CProcess", "CRaster", "CZlib",
                product("AsyncHTTPClient", "async-http-client"),
            ] + http,
            swiftSettings: hot),
        .target(name: "Output", dependencies: ["Media", "RTMP", "Control", "Web"] + http, swiftSettings: hot),
        .target(
            name: "Interactivity",
            dependencies: ["Media", "Control", "Web", product("GRDB", "GRDB.swift")] + http,
            swiftSettings: strict),
        .target(
            name: "Studio",
            dependencies: [
                "Media", "Control", "Web", "Interactivity", product("GRDB", "GRDB.swift"), product("Yams", "Yams"),
            ] + http + keys,
            swiftSettings: strict),
        .target(
            name: "Demo", dependencies: ["Media", "RTCClient", "PacketIO", "Web"] + http + keys, swiftSettings: hot),
        .target(
            name: "Load",
            dependencies: [
                "Media", "RTC", "PacketIO", "Control", "Web", "CPacketIO", "COpenSSL",
                product("AsyncHTTPClient", "async-http-client"),
            ] + http,
            swiftSettings: hot),
        .executableTarget(
            name: "proscenium",
            dependencies: [
                "Media", "Control", "Web", "Studio", "SFU", "Compositor", "Output", "Demo", "Load", "CProcess",
                product("ArgumentParser", "swift-argument-parser"), product("Yams", "Yams"),
            ] + http,
            swiftSettings: strict, linkerSettings: [.unsafeFlags(small, .when(configuration: .release))]),

        .testTarget(name: "DemoTests", dependencies: ["Demo", "Media", "Compositor"], swiftSettings: strict),
        .testTarget(name: "LoadTests", dependencies: ["Load", "Media", "RTC", "SFU"], swiftSettings: strict),
        .testTarget(name: "MediaTests", dependencies: ["Media"], swiftSettings: strict),
        .testTarget(
            name: "RTCTests", dependencies: ["RTC", "COpenSSL", "CSRTP"],
            swiftSettings: strict),
        .testTarget(name: "RTMPTests", dependencies: ["RTMP"], resources: [.copy("Corpus")], swiftSettings: strict),
        .testTarget(name: "PacketIOTests", dependencies: ["PacketIO"], swiftSettings: strict),
        .testTarget(
            name: "ControlTests", dependencies: ["Control", "Web", "Media"] + http + keys, swiftSettings: strict),
        .testTarget(
            name: "WebTests", dependencies: ["Web", "Media", product("HummingbirdTesting", "hummingbird")] + http,
            swiftSettings: strict),
        .testTarget(name: "SFUTests", dependencies: ["SFU", "Control"], swiftSettings: strict),
        .testTarget(
            name: "CompositorTests",
            dependencies: [
                "Compositor", "Control", "Output", "SFU", "RTCClient", "RTMP", "Media", "Web", "CRaster", "CProcess",
            ] + http,
            resources: [.copy("Goldens")],
            swiftSettings: strict),
        .testTarget(
            name: "OutputTests", dependencies: ["Output", "RTMP", "Control", "Web"] + http + keys,
            swiftSettings: strict),
        .testTarget(
            name: "InteractivityTests",
            dependencies: [
                "Interactivity", "Media", "Web", product("GRDB", "GRDB.swift"),
                product("HummingbirdTesting", "hummingbird"),
            ] + http + keys,
            swiftSettings: strict),
        .testTarget(
            name: "StudioTests",
            dependencies: [
                "Studio", "Interactivity", "Control", "Media", product("GRDB", "GRDB.swift"),
                product("HummingbirdTesting", "hummingbird"), product("Yams", "Yams"),
                product("NIOEmbedded", "swift-nio"),
            ] + http + keys,
            swiftSettings: strict),
        // What strangers' bytes reach first: bodies that unit tests and libFuzzer share.
        .target(
            name: "FuzzTargets", dependencies: ["Media", "RTC", "PacketIO", "Control", "Web", "SFU"],
            path: "Tests/Fuzz/Targets",
            swiftSettings: hot + (fuzzing ? [.define("FUZZING")] : [])),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets", "RTC", "Media"], path: "Tests/Fuzz/Tests",
            resources: [.copy("Corpus")],
            swiftSettings: strict),
    ]
        + (fuzzing
            ? [
                .executableTarget(
                    name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver", swiftSettings: strict)
            ] : [])
)
