// The files of rolls: fetched from Studio to files without a name, which go with this process.

import AsyncHTTPClient
import CProcess
import Foundation
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

func closeDescriptor(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

/// Keeps what was fetched last, within bounds.
final class RollFiles: Sendable {
    /// Files of each kind, and bytes of all of them, that are kept for the next time.
    static let keptFiles = 8, keptBytes = 8 << 30

    /// What a file is; the name by which Studio gives it.
    enum Kind: String {
        case video, audio
    }

    private let address: MediaAddress
    private let folder: URL
    private let fileLimitBytes: Int
    private let kept = Mutex<[(asset: String, kind: Kind, file: RollFile)]>([])

    /// Creates a keeper.
    ///
    /// - Parameters:
    ///   - address: where files are fetched.
    ///   - folder: on which disk they lie; no name stands there.
    ///   - fileLimitBytes: the most of one file.
    init(address: MediaAddress, folder: URL, fileLimitBytes: Int = 8 << 30) {
        self.address = address
        self.folder = folder
        self.fileLimitBytes = fileLimitBytes
    }

    /// Gives an asset's file, fetched piece by piece when it is not here.
    func file(of asset: String, as kind: Kind = .video) async throws -> RollFile {
        let known = kept.withLock { kept -> RollFile? in
            guard let index = kept.firstIndex(where: { $0.asset == asset && $0.kind == kind }) else { return nil }
            kept.append(kept.remove(at: index))
            return kept.last?.file
        }
        if let known { return known }
        let file = try await fetch(asset, kind)
        kept.withLock { kept in
            kept.removeAll { $0.asset == asset && $0.kind == kind }
            kept.append((asset, kind, file))
            while kept.count(where: { $0.kind == kind }) > Self.keptFiles
                || kept.reduce(0, { $0 + $1.file.bytes }) > Self.keptBytes, kept.count > 1
            {
                // Songs take no place of clips.
                kept.remove(at: kept.dropLast().firstIndex { $0.kind == kind } ?? 0)
            }
        }
        return file
    }

    private func fetch(_ asset: String, _ kind: Kind) async throws -> RollFile {
        var request = HTTPClientRequest(url: "\(address.studio)/media/\(address.event)/\(asset)/\(kind.rawValue)")
        request.headers.add(name: "Authorization", value: "Bearer \(address.token)")
        let response = try await HTTPClient.shared.execute(request, timeout: .minutes(10))
        guard response.status == .ok else { throw Failure.status(Int(response.status.code)) }
        let descriptor = try open()
        do {
            var length = 0
            for try await piece in response.body {
                length += piece.readableBytes
                guard length <= fileLimitBytes else { throw Failure.tooLarge }
                try await NIOThreadPool.singleton.runIfActive {
                    let isWritten = piece.withUnsafeReadableBytes { raw in
                        raw.baseAddress.map { WholeBlocks.write(descriptor, $0, raw.count) } ?? true
                    }
                    guard isWritten else { throw Failure.disk }
                }
            }
            return RollFile(descriptor: descriptor, bytes: length)
        } catch {
            closeDescriptor(descriptor)
            throw error
        }
    }

    private func open() throws -> Int32 {
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let made = proscenium_nameless_file(folder.path)
        guard made >= 0 else { throw Failure.disk }
        return made
    }

    enum Failure: Error, CustomStringConvertible {
        case status(Int), tooLarge, disk

        var description: String {
            switch self {
            case .status(let code): "Studio answers \(code)"
            case .tooLarge: "the file is too large"
            case .disk: "there is no room on the disk"
            }
        }
    }
}
