// The client's side of ICE: what servers, and who says to be one, answer to its checks.

import Media
import RTC

extension FuzzTarget {
    /// Steps: answers to its checks, right and wrong; a stranger's STUN; time; a way that is gone.
    static let client = FuzzTarget("client") {
        [
            [0, 0, 0, 1, 10, 0, 0, 0, 1, 200, 0, 0, 0], [0, 0, 1, 0, 0, 2, 0, 4, 0, 1, 20, 0, 0, 8, 0, 1, 0],
            [1, 200, 1, 200, 0, 3, 0, 2, 1, 0, 1, 0, 1, 250, 1, 250, 1, 250],
            [3, 20, 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42],
        ]
    } run: { bytes in
        let local = ICECredentials(ufrag: "client", password: "0123456789012345678901")
        let remote = ICECredentials(ufrag: "server", password: "abcdefghijklmnopqrstuv")
        let places = [
            NetworkAddress(ipv4: 0xC000_0201, port: 7882), NetworkAddress(ipv4: 0xC000_0202, port: 7882),
            NetworkAddress(ipv4: 0xC000_0201, port: 7882).by(.tcp),
        ]
        var agent = ICEClientAgent(local: local, remote: remote, candidates: places.map { ICECandidate(host: $0) })
        var input = FuzzInput(bytes), now = MonotonicTime(milliseconds: 1000), steps = 0
        var checks: [(place: NetworkAddress, transaction: STUNTransaction)] = [], proven: Set<NetworkAddress> = []
        func take(_ datagram: [UInt8], from source: NetworkAddress) -> ICEInput? {
            datagram.withUnsafeBytes { bytes in
                (try? STUNMessage(bytes)).map { agent.receive(bytes, $0, from: source, now: now) }
            }
        }
        agent.start(now: now)
        while !input.isAtEnd, steps < 500 {
            steps += 1
            switch input.byte() & 3 {
            case 0:
                let index = Int(input.byte()), kind = input.byte(), code = input.byte()
                guard !checks.isEmpty else { break }
                let check = checks[checks.count - 1 - index % checks.count]
                var answer = STUNBuilder(kind & 1 == 0 ? .success : .error, transaction: check.transaction)
                if kind & 1 == 0 { answer.mappedAddress(check.place) } else { answer.errorCode(300 + Int(code), "no") }
                let isForged = kind & 2 != 0, isElsewhere = kind & 4 != 0
                let source = isElsewhere ? places[Int(code) % places.count] : check.place
                let outcome = take(
                    answer.finish(password: isForged ? local.password : remote.password), from: source)
                if case .accepted? = outcome {
                    never(isForged || source != check.place, "an answer of somebody else")
                    if kind & 1 == 0 { proven.insert(source) }
                }
            case 1:
                now = now.advanced(byMilliseconds: Int64(input.byte()) * 8)
                agent.handleTimeout(now: now)
            case 2: agent.lost(places[Int(input.byte()) % places.count], now: now)
            default: _ = take(input.take(Int(input.byte())), from: places[0])
            }
            let outgoing = agent.takeOutgoing()
            never(outgoing.count > 64, "a queue without an end")
            for (place, datagram) in outgoing {
                never(!places.contains(place), "a check to nobody's address")
                guard let message = try? STUNMessage(datagram) else { return never(true, "a check that can't be read") }
                if message.kind == .request { checks.append((place, message.transaction)) }
            }
            if checks.count > 40 { checks.removeFirst(checks.count - 40) }
            never(agent.state == .connected && agent.selected == nil, "connected to nobody")
            never(agent.selected.map { !proven.contains($0) } ?? false, "a way that nobody has answered")
        }
    }
}
