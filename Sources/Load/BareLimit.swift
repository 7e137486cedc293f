// What the machine can do at best: the load's datagrams, encrypted and handed to the kernel, with nothing around it.

import COpenSSL
import CPacketIO
import Foundation
import Glibc
import Media
import PacketIO
import Synchronization

/// The bare limit: AES-128-GCM by EVP and sendmmsg for the datagrams that a forwarder would send.
public struct BareLimit: Encodable, Sendable {
    let limit = "AEAD_AES_128_GCM"
    let targets: Int
    let packets: UInt64, packetsPerCPUSecond: Double
    /// The same with runs of equal datagrams to one target as one message.
    let segmentedPacketsPerCPUSecond: Double
    let meanBytes: Double
    /// What the receivers' sockets had no room for.
    let kernelDrops: UInt64

    /// The line.
    public var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Measures, each way for so long.
    ///
    /// - Parameters:
    ///   - options: what the datagrams are like.
    ///   - targets: to how many receivers each packet goes, 1…1000.
    ///   - seconds: CPU seconds, 1…60.
    /// - Throws: `LoadError` when an argument does not fit or no socket can be had.
    public static func measure(_ options: LoadOptions, targets: Int, seconds: Int) async throws -> BareLimit {
        try options.check()
        guard (1...1000).contains(targets) else { throw LoadError("subscribers is 1 to 1000 here, not \(targets).") }
        guard (1...60).contains(seconds) else { throw LoadError("seconds is 1 to 60 here, not \(seconds).") }
        let sizes = try await LoadRunner.record(options).payloadSizes
        let (results, done) = AsyncStream<Result<BareLimit, LoadError>>.makeStream()
        let thread = MediaThread(name: "load-limit") {
            do throws(LoadError) {
                let drain = try Drain(targets: targets)
                defer { drain.stop() }
                let plain = try send(sizes, to: drain.addresses, segmentRun: 0, seconds: seconds)
                let segmented = try send(sizes, to: drain.addresses, segmentRun: 4, seconds: seconds)
                done.yield(
                    .success(
                        BareLimit(
                            targets: targets, packets: plain.packets, packetsPerCPUSecond: plain.rate.rounded(),
                            segmentedPacketsPerCPUSecond: segmented.rate.rounded(),
                            meanBytes: plain.meanBytes.rounded(),
                            kernelDrops: drain.drops)))
            } catch {
                done.yield(.failure(error))
            }
            done.finish()
        }
        defer { thread.join() }
        for await result in results { return try result.get() }
        throw LoadError("The limit was not measured.")
    }

    /// The header that forwarded packets have, with a mid, and the tag behind.
    private static let headerLength = 20, tagLength = 16

    private static func send(
        _ sizes: [Int], to addresses: [NetworkAddress], segmentRun: Int, seconds: Int
    ) throws(LoadError) -> (packets: UInt64, rate: Double, meanBytes: Double) {
        let socket: UDPSocket
        do throws(SocketError) {
            socket = try UDPSocket(NetworkAddress(ipv4: 0x7F00_0001, port: 0), segmentRun: segmentRun)
        } catch {
            throw LoadError(error.description)
        }
        let contexts = addresses.map { _ in EVP_CIPHER_CTX_new() }
        defer { for context in contexts { EVP_CIPHER_CTX_free(context) } }
        let key = [UInt8](repeating: 7, count: 16)
        for context in contexts {
            guard EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nil, key, nil) == 1 else {
                throw LoadError("OpenSSL has no AES-128-GCM.")
            }
        }
        let payload = [UInt8](repeating: 0x5A, count: 2048)
        // Sizes that differ can't be segmented: there each run has the mean.
        let mean = max(1, sizes.reduce(0, +) / max(1, sizes.count)), run = 8
        var packets: UInt64 = 0, bytes: UInt64 = 0, iv = (UInt64(0), UInt64(0))
        let start = SystemClock.threadNanoseconds()
        func seal(_ size: Int, _ target: Int) {
            let room = socket.reserve(), context = contexts[target]
            guard let base = room.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            iv.0 &+= 1
            var written: Int32 = 0
            withUnsafeBytes(of: &iv) { iv in
                _ = EVP_EncryptInit_ex(context, nil, nil, nil, iv.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
            base.update(repeating: 0x90, count: headerLength)
            EVP_EncryptUpdate(context, nil, &written, base, Int32(headerLength))
            EVP_EncryptUpdate(context, base + headerLength, &written, payload, Int32(size))
            EVP_EncryptFinal_ex(context, base + headerLength + size, &written)
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagLength), base + headerLength + size)
            socket.commit(headerLength + size + tagLength, to: addresses[target])
            packets &+= 1
            bytes &+= UInt64(headerLength + size + tagLength)
        }
        var place = 0
        while SystemClock.threadNanoseconds() &- start < Int64(seconds) * 1_000_000_000 {
            if segmentRun == 0 {
                for _ in 0..<8 {
                    let size = sizes[place]
                    place = (place + 1) % sizes.count
                    for target in addresses.indices { seal(min(size, 1400), target) }
                }
            } else {
                for target in addresses.indices { for _ in 0..<run { seal(min(mean, 1400), target) } }
            }
            socket.flush()
        }
        let used = Double(SystemClock.threadNanoseconds() &- start) / 1e9
        return (packets, Double(packets) / used, packets > 0 ? Double(bytes) / Double(packets) : 0)
    }

    /// Receivers that read and forget, on a thread of their own.
    private final class Drain {
        let addresses: [NetworkAddress]
        private let sockets: [PeerSocket]
        private let isStopping: Flag
        private let thread: MediaThread

        private final class Flag: Sendable { let value = Atomic<Bool>(false) }

        init(targets: Int) throws(LoadError) {
            var sockets: [PeerSocket] = [], addresses: [NetworkAddress] = []
            for target in 0..<targets {
                let place = target % LoadLoop.peersPerSocket
                if place == 0 { sockets.append(try PeerSocket()) }
                addresses.append(
                    NetworkAddress(
                        ipv4: PeerSocket.firstLocal + UInt32(place), port: sockets[sockets.count - 1].port))
            }
            let flag = Flag()
            nonisolated(unsafe) let read = sockets
            thread = MediaThread(name: "load-drain") {
                let epoll = proscenium_epoll()
                defer { close(epoll) }
                for socket in read { _ = proscenium_epoll_add(epoll, socket.descriptor) }
                var ready = [Int32](repeating: -1, count: 64)
                while !flag.value.load(ordering: .acquiring) {
                    guard proscenium_epoll_wait_for(epoll, &ready, 64, 50) > 0 else { continue }
                    for socket in read { while socket.receive({ _, _ in }) == PeerSocket.batch {} }
                }
            }
            self.sockets = sockets
            self.addresses = addresses
            isStopping = flag
        }

        var drops: UInt64 { sockets.reduce(0) { $0 + $1.kernelDrops } }

        func stop() {
            isStopping.value.store(true, ordering: .releasing)
            thread.join()
        }
    }
}
