// Which path media takes, in virtual time: nominations, media, loss, silence, and paths that flap.

import Media
import Testing

@testable import RTC

@Suite("Path guard")
struct PathGuardTests {
    private let one = NetworkAddress(ipv4: 1, port: 1), two = NetworkAddress(ipv4: 2, port: 2),
        three = NetworkAddress(ipv4: 3, port: 3, transport: .tcp)

    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

    /// A guard whose first path is selected and whose others are proven.
    private func guarded(_ others: NetworkAddress...) -> PathGuard {
        var paths = PathGuard()
        paths.noteCheck(from: one, nominates: true, now: at(0))
        for other in others { paths.noteCheck(from: other, nominates: false, now: at(0)) }
        return paths
    }

    @Test("a peer that nominates all it has settles within one round, and goes where it sends")
    func aggressiveNomination() {
        var paths = guarded(two, three)
        for round in Int64(1)...100 {
            for address in [one, two, three] { paths.noteCheck(from: address, nominates: true, now: at(round * 1000)) }
            paths.noteMedia(from: two, now: at(round * 1000 + 500))
        }
        #expect(paths.selected == two && paths.moves <= 3, "\(paths.moves) moves")
    }

    @Test("media from an address without a check is never followed, whatever it brings")
    func strangers() {
        var paths = guarded()
        for moment in stride(from: Int64(0), to: 20_000, by: 100) { paths.noteMedia(from: two, now: at(moment)) }
        #expect(paths.selected == one && paths.moves == 0 && paths.addresses == [one])
    }

    @Test("media that comes by two paths at once moves it once a second at most")
    func flappingMedia() {
        var paths = guarded(two)
        for moment in stride(from: Int64(0), to: 10_000, by: 10) {
            paths.noteMedia(from: moment % 20 == 0 ? one : two, now: at(moment))
        }
        #expect(paths.moves <= 10)
    }

    @Test("three bad reports over two seconds lead to the other path; one good report between them does not")
    func loss() {
        var paths = guarded(two)
        var moved: [Int64] = []
        // Good is the third second only.
        for second in Int64(1)...6 where paths.noteLoss(second == 3 ? 0 : 80, now: at(second * 1000)) {
            moved.append(second)
        }
        #expect(moved == [6] && paths.selected == two && paths.moves == 1)
    }

    @Test("a path that was left is not taken again for a time that grows, though the peer means it")
    func sticky() {
        var paths = guarded(two), last = Int64(0), gaps: [Int64] = []
        for second in Int64(1)...1800 {
            let now = at(second * 1000)
            paths.noteCheck(from: one, nominates: true, now: now)
            paths.noteCheck(from: two, nominates: false, now: now)
            paths.noteMedia(from: one, now: now)
            // The peer's own choice loses all; the other nothing.
            if paths.noteLoss(paths.selected == one ? 200 : 0, now: now) {
                if last > 0 { gaps.append(second - last) }
                last = second
            }
        }
        #expect(gaps.count >= 3 && gaps.count <= 7 && gaps == gaps.sorted(), "\(gaps)")
        #expect(paths.moves <= 16)
    }

    @Test("without another path that was checked lately loss changes nothing")
    func noWayOut() {
        var alone = guarded()
        for second in Int64(1)...20 {
            let hasMoved = alone.noteLoss(255, now: at(second * 1000))
            #expect(!hasMoved)
        }
        var old = guarded(two)
        for second in Int64(16)...25 {
            old.noteCheck(from: one, nominates: true, now: at(second * 1000))
            let hasMoved = old.noteLoss(255, now: at(second * 1000))
            #expect(!hasMoved)
        }
        #expect(old.selected == one)
    }

    @Test(
        "a path without a check for 30 s is forgotten; the freshest of the others takes over, and the last leaves none")
    func consent() {
        var paths = guarded(two, three)
        paths.noteCheck(from: two, nominates: false, now: at(10_000))
        paths.noteCheck(from: three, nominates: false, now: at(5000))
        paths.expire(now: at(29_999))
        #expect(paths.selected == one)
        paths.expire(now: at(30_000))
        #expect(paths.selected == two && Set(paths.addresses) == [two, three])
        paths.expire(now: at(40_000))
        #expect(paths.selected == nil && paths.addresses.isEmpty)
        paths.noteMedia(from: two, now: at(41_000))
        #expect(paths.selected == nil, "media is no consent")
        paths.noteCheck(from: three, nominates: false, now: at(42_000))
        #expect(paths.selected == three)
    }

    @Test("a nominated path takes over from one that went silent, long before its consent ends")
    func stale() {
        var paths = guarded(two)
        paths.noteCheck(from: two, nominates: true, now: at(100))
        paths.noteCheck(from: one, nominates: true, now: at(200))
        #expect(paths.selected == two)
        for second in Int64(1)...13 { paths.noteCheck(from: one, nominates: true, now: at(second * 1000)) }
        #expect(paths.selected == one)
    }

    @Test("a TCP connection that has closed is no path any more")
    func lost() {
        var paths = guarded(three)
        paths.noteMedia(from: three, now: at(100))
        paths.lost(three)
        #expect(paths.selected == one && paths.addresses == [one])
        paths.lost(one)
        #expect(paths.selected == nil)
    }

    /// Each path is left once in ten minutes at most, but for the first few times: the longest that a path is avoided.
    @Test("while loss comes and goes on every path for an hour, media moves seldom", arguments: [2, 3, 4, 8], 1...3)
    func flappingLoss(count: Int, seed: Int) {
        var dice = SeededGenerator(UInt64(seed)), paths = PathGuard()
        let addresses = (1...count).map { NetworkAddress(ipv4: 5, port: UInt16($0)) }
        for second in Int64(0)..<3600 {
            let now = at(second * 1000)
            // The peer means the first all the time, and checks each as often as it has to.
            if second % 5 == 0 {
                for address in addresses {
                    paths.noteCheck(from: address, nominates: address == addresses[0], now: now)
                }
            }
            paths.noteLoss(UInt8.random(in: 0...255, using: &dice), now: now)
            paths.expire(now: now)
        }
        #expect(paths.moves > 4 && paths.moves <= 6 * count + 12, "\(paths.moves) moves")
        if count <= 4 { #expect(paths.moves < 40, "\(paths.moves) moves") }
    }

    @Test("whatever a peer checks and nominates, each move has a reason, and paths are bounded", arguments: 1...5)
    func flapping(seed: Int) {
        var dice = SeededGenerator(UInt64(seed)), paths = PathGuard(), silent = 0, left = 0
        var nominated: Set<NetworkAddress> = [], checked: [NetworkAddress: Int64] = [:]
        for second in Int64(0)..<3600 {
            let now = at(second * 1000)
            for port in UInt16(1)...12 where Int.random(in: 0..<10, using: &dice) == 0 {
                let address = NetworkAddress(ipv4: 5, port: port), nominates = Bool.random(using: &dice)
                let before = paths.selected
                // A path that was forgotten is a new one.
                if !paths.isValidated(address) { nominated.remove(address) }
                let isNew = nominates && nominated.insert(address).inserted
                let isStale = before.map { second * 1000 - (checked[$0] ?? 0) >= PathGuard.staleMs } ?? true
                paths.noteCheck(from: address, nominates: nominates, now: now)
                checked[address] = second * 1000
                if let before, paths.selected != before {
                    #expect(paths.selected == address && (isNew || nominates && isStale))
                }
            }
            if paths.noteLoss(UInt8.random(in: 0...255, using: &dice), now: now) { left += 1 }
            paths.expire(now: now)
            if paths.selected == nil { silent += 1 }
            #expect(paths.addresses.count <= PathGuard.maximumPaths)
        }
        #expect(silent < 60 && left > 4 && left < 100, "\(left) times because of loss, \(paths.moves) in all")
    }
}

@Suite("ICE restart")
struct ICERestartTests {
    private func connected(seed: UInt64 = 1) throws -> PeerPair {
        let pair = try PeerPair(seed: seed)
        while pair.now.milliseconds < 5000, pair.client.state != .connected || pair.server.state != .connected {
            pair.step()
        }
        try #require(pair.client.state == .connected && pair.server.state == .connected)
        return pair
    }

    private func restart(_ pair: PeerPair) {
        pair.server.restart(now: pair.now)
        pair.client.restart(now: pair.now)
        let local = pair.server.local(candidates: [ICECandidate(host: pair.serverAddress)])
        pair.client.restarted(
            RemoteTransport(
                ufrag: local.ufrag, password: local.password, fingerprint: local.fingerprint, setup: .passive,
                candidates: local.candidates), now: pair.now)
    }

    /// Whether RTCP goes both ways.
    private func talks(_ pair: PeerPair) -> Bool {
        let before = pair.received.count
        pair.client.send([.pictureLoss(.init(sender: 1, media: 2))])
        pair.server.send([.pictureLoss(.init(sender: 1, media: 3))])
        pair.step()
        return pair.received.dropFirst(before).count { if case .rtcp = $0 { true } else { false } } == 2
    }

    @Test("a restart changes the credentials and nothing else: keys stay, and no packet is missing", arguments: 1...3)
    func restart(seed: Int) throws {
        let pair = try connected(seed: UInt64(seed))
        for _ in 0..<5 {
            let before = (pair.server.credentials, pair.client.credentials)
            restart(pair)
            #expect(pair.server.credentials != before.0 && pair.client.credentials != before.1)
            for _ in 0..<500 { #expect(talks(pair), "at \(pair.now.milliseconds) ms") }
        }
        #expect(pair.server.selected == pair.clientAddress && pair.server.pathMoves == 0)
    }

    @Test("the credentials of before are answered for three seconds, and not longer")
    func former() throws {
        let pair = try connected()
        let old = pair.server.credentials
        func check(_ credentials: ICECredentials) -> Bool {
            var builder = STUNBuilder(.request, transaction: .random())
            builder.username(credentials.ufrag + ":peer")
            builder.role(isControlling: true, tieBreaker: 1)
            var bytes = builder.finish(password: credentials.password)
            let input = bytes.withUnsafeMutableBytes {
                pair.server.receive($0, from: pair.clientAddress, now: pair.now)
            }
            if case .handled = input { return true }
            return false
        }
        pair.server.restart(now: pair.now)
        #expect(check(old) && check(pair.server.credentials))
        #expect(
            !check(ICECredentials(ufrag: old.ufrag, password: pair.server.credentials.password)), "mixed generations")
        pair.now = pair.now.advanced(byMilliseconds: 2990)
        pair.server.handleTimeout(now: pair.now)
        #expect(check(old))
        pair.now = pair.now.advanced(byMilliseconds: 20)
        pair.server.handleTimeout(now: pair.now)
        #expect(!check(old) && check(pair.server.credentials))
    }

    @Test("who was silent for more than 30 s comes back by a restart on another address, with the same keys")
    func comesBack() throws {
        let pair = try connected()
        pair.lossPercent = 100
        let silent = pair.now.advanced(byMilliseconds: 31_000)
        // The client says nothing, as a machine that sleeps.
        while pair.now < silent {
            pair.now = pair.now.advanced(byMilliseconds: 500)
            pair.server.handleTimeout(now: pair.now)
            _ = pair.server.takeOutgoing()
        }
        #expect(pair.server.selected == nil && pair.server.state == .connected)
        pair.lossPercent = 0
        pair.clientAddress = NetworkAddress(ipv4: 0x0A00_0099, port: 4711)
        restart(pair)
        let end = pair.now.advanced(byMilliseconds: 2000)
        while pair.now < end, pair.server.selected == nil { pair.step() }
        #expect(pair.server.selected == pair.clientAddress)
        for _ in 0..<20 { pair.step() }
        #expect(talks(pair))
    }

    @Test("a path that is gone for certain, as a TCP connection that broke, is found again at once with the same keys")
    func brokenPath() throws {
        let pair = try connected()
        for _ in 0..<3 {
            pair.client.lost(pair.serverAddress, now: pair.now)
            pair.server.lost(pair.clientAddress, now: pair.now)
            #expect(pair.server.selected == nil && pair.client.selected == nil)
            let end = pair.now.advanced(byMilliseconds: 1000)
            while pair.now < end, pair.server.selected == nil || pair.client.selected == nil { pair.step() }
            #expect(pair.server.selected == pair.clientAddress)
            #expect(talks(pair))
        }
    }

    @Test("a peer that stays away for a minute is given up")
    func staysAway() throws {
        let pair = try connected()
        let begin = pair.now.milliseconds
        var gone: Int64?, closed: Int64?
        while closed == nil, pair.now.milliseconds < begin + 120_000 {
            pair.now = pair.now.advanced(byMilliseconds: 100)
            pair.server.handleTimeout(now: pair.now)
            if pair.server.selected == nil, gone == nil { gone = pair.now.milliseconds - begin }
            if pair.server.state == .closed { closed = pair.now.milliseconds - begin }
        }
        #expect(
            (29_000...30_200).contains(gone ?? 0) && (59_000...60_400).contains(closed ?? 0),
            "\(gone ?? 0) \(closed ?? 0)")
    }
}
