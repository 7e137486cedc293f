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
        @Argument(help: "picture, deck, video, audio or font.") var kind: String
        @Argument(help: "The file.") var file: String
        @Argument(help: "The folder of the result.") var folder: String
        @Option(help: "How much address space it may have, in bytes.") var memory: UInt = ProcessBounds.memoryBytes

        func run() throws {
            guard let kind = MediaKind(rawValue: kind) else {
                throw ValidationError("\(kind) is none of picture, deck, video, audio and font.")
            }
            let input = URL(filePath: file), output = URL(filePath: folder, directoryHint: .isDirectory)
            guard
                ProcessBounds.enter(
                    folder: input.deletingLastPathComponent(), seconds: kind.limitSeconds, memoryBytes: memory)
            else {
                Self.end("The bounds of the process could not be set.", 1)
            }
            do {
                let media: DecodedMedia
                switch kind {
                case .picture: media = try Self.picture(input, into: output)
                case .deck: media = DecodedMedia(pages: try SlideDeck.render(file: input, into: output).pages.count)
                case .video: media = try Self.video(input)
                case .audio: media = try Self.audio(input)
                case .font:
                    let font = try FontFile.checked(Data(contentsOf: input))
                    try font.write(to: output.appending(path: "font"))
                    media = DecodedMedia()
                }
                print(String(decoding: try JSONEncoder().encode(media), as: UTF8.self))
            } catch let error as PictureError {
                let (reason, code) = Self.explained(error)
                Self.end(reason, code)
            } catch let error as RollError {
                if case .tooLarge = error { Self.end(error.reason, DecodeExit.tooLarge) }
                Self.end(error.reason, DecodeExit.unreadable)
            } catch let error as FontError {
                if case .tooLarge = error { Self.end(error.reason, DecodeExit.tooLarge) }
                Self.end(error.reason, DecodeExit.unreadable)
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

        private static func video(_ file: URL) throws -> DecodedMedia {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            let roll = try RollProbe.describe(descriptor: handle.fileDescriptor)
            return DecodedMedia(width: roll.width, height: roll.height, durationMs: roll.durationMs)
        }

        private static func audio(_ file: URL) throws -> DecodedMedia {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            return DecodedMedia(durationMs: try RollProbe.describeSound(descriptor: handle.fileDescriptor))
        }

        private static func explained(_ error: PictureError) -> (String, Int32) {
            switch error {
            case .unknownFormat: ("The file is neither PNG, JPEG nor WebP.", DecodeExit.unreadable)
            case .fileTooLarge(let bytes): ("The file has \(bytes) bytes.", DecodeExit.tooLarge)
            case .tooManyPixels(let width, let height):
                ("The picture has \(width) x \(height) pixels.", DecodeExit.tooLarge)
            case .outOfMemory: ("The picture needs more memory than there is for one.", DecodeExit.tooLarge)
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
                ("The deck has \(count) pages; 300 are taken.", DecodeExit.tooLarge)
            case .pageCount: ("The deck has no page.", DecodeExit.unreadable)
            case .page(let number): ("Page \(number) can't be drawn.", DecodeExit.unreadable)
            case .timeOver(let page): ("The time was over before page \(page).", DecodeExit.tooLarge)
            case .cannotWrite: ("The result could not be written.", 1)
            case .archive(let error):
                if case .tooLarge = error {
                    (error.reason, DecodeExit.tooLarge)
                } else {
                    (error.reason, DecodeExit.unreadable)
                }
            case .picture(let name, let error):
                ("\(name.prefix(80)): \(error.map { explained($0).0 } ?? "It can't be read.")", DecodeExit.unreadable)
            }
        }

        private static func end(_ reason: String, _ code: Int32) -> Never {
            FileHandle.standardError.write(Data("\(reason)\n".utf8))
            Glibc.exit(code)
        }
    }
}
