// Decodes one upload in this process and ends: what Studio starts for each, so that a bad file harms nobody else.

import ArgumentParser
import Compositor
import Foundation
import Glibc
import Studio

extension Proscenium {
    /// Turns a picture into `picture.png`, or a deck into its pages, and says what came out in one line of JSON.
    struct Decode: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Decodes an uploaded file; started by Studio.", shouldDisplay: false)
        @Argument(help: "picture or deck.") var kind: String
        @Argument(help: "The file.") var file: String
        @Argument(help: "The folder of the result.") var folder: String

        func run() throws {
            guard let kind = MediaKind(rawValue: kind) else { throw ValidationError("\(kind) is picture or deck.") }
            guard Bounds.set(seconds: kind.limitSeconds) else {
                Self.end("The bounds of the process could not be set.", 1)
            }
            let input = URL(filePath: file), output = URL(filePath: folder, directoryHint: .isDirectory)
            do {
                let media: DecodedMedia
                switch kind {
                case .picture: media = try Self.picture(input, into: output)
                case .deck: media = DecodedMedia(pages: try SlideDeck.render(pdf: input, into: output).pages.count)
                }
                print(String(decoding: try JSONEncoder().encode(media), as: UTF8.self))
            } catch let error as PictureError {
                let (reason, code) = Self.explained(error)
                Self.end(reason, code)
            } catch let error as SlideError {
                let (reason, code) = Self.explained(error)
                Self.end(reason, code)
            }
        }

        private static func picture(_ file: URL, into folder: URL) throws -> DecodedMedia {
            let bitmap = try PictureDecoder.decode(
                Data(contentsOf: file), fitting: PixelSize(width: 3840, height: 2160))
            try PNGWriter.write(bitmap, to: folder.appending(path: "picture.png"))
            return DecodedMedia(width: bitmap.width, height: bitmap.height)
        }

        private static func explained(_ error: PictureError) -> (String, Int32) {
            switch error {
            case .unknownFormat: ("The file is neither PNG, JPEG nor WebP.", DecodeExit.unreadable)
            case .fileTooLarge(let bytes): ("The file has \(bytes) bytes.", DecodeExit.tooLarge)
            case .tooManyPixels(let width, let height):
                ("The picture has \(width) x \(height) pixels.", DecodeExit.tooLarge)
            case .corrupt: ("The picture is damaged.", DecodeExit.unreadable)
            case .cannotWrite: ("The result could not be written.", 1)
            }
        }

        private static func explained(_ error: SlideError) -> (String, Int32) {
            switch error {
            case .unreadable: ("The file can't be opened.", 1)
            case .fileTooLarge(let bytes): ("The file has \(bytes) bytes.", DecodeExit.tooLarge)
            case .notPDF(let reason): ("The file is no PDF that can be read: \(reason).", DecodeExit.unreadable)
            case .encrypted: ("The PDF is protected by a password.", DecodeExit.unreadable)
            case .pageCount(let count) where count > 0:
                ("The PDF has \(count) pages; 300 are taken.", DecodeExit.tooLarge)
            case .pageCount: ("The PDF has no page.", DecodeExit.unreadable)
            case .page(let number): ("Page \(number) can't be drawn.", DecodeExit.unreadable)
            case .timeOver(let page): ("The time was over before page \(page).", DecodeExit.tooLarge)
            case .cannotWrite: ("The result could not be written.", 1)
            }
        }

        private static func end(_ reason: String, _ code: Int32) -> Never {
            FileHandle.standardError.write(Data("\(reason)\n".utf8))
            Glibc.exit(code)
        }
    }
}

/// What this process may use of the machine (setrlimit(2)); the kernel ends it when it wants more.
private enum Bounds {
    static func set(seconds: Int) -> Bool {
        // Signals that the parent's thread held back would not end this process.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        for number in [SIGALRM, SIGXCPU, SIGXFSZ, SIGTERM] { signal(number, SIG_DFL) }
        alarm(UInt32(seconds))
        // Whatever the parent has open is none of this process's business.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > 2, !isLocalSocket(descriptor) { close(descriptor) }
        }
        return limit(RLIMIT_AS, 2 << 30) && limit(RLIMIT_CPU, UInt(seconds)) && limit(RLIMIT_NOFILE, 64)
            && limit(RLIMIT_FSIZE, 256 << 20) && limit(RLIMIT_CORE, 0)
    }

    /// Whether a descriptor may be the end by which the parent's `Process` learns that this process has ended.
    ///
    /// `Process` waits on one thread for all children: when that end is closed early, the thread sits in waitpid(2) for
    /// this child, and the ends of all others are not seen until then.
    private static func isLocalSocket(_ descriptor: Int32) -> Bool {
        var domain: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX
    }

    private static func limit(_ resource: __rlimit_resource, _ value: UInt) -> Bool {
        var limit = rlimit(rlim_cur: value, rlim_max: value)
        return setrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0
    }
}
