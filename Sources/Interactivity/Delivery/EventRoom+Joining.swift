// How a reader joins: hello, then what it missed or a snapshot, then everything that follows.

import Media
import Synchronization
import Web

/// What became of an attempt to join.
enum JoinOutcome {
    /// The reader has everything, and gets what follows.
    case joined(UInt64)
    /// The reader is so far behind that entries must be read from the store first; then it tries again.
    case needsHistory(LogName, epoch: String, after: Int64)
    /// The room has too many readers.
    case full
}

/// How a reader wants to join.
struct JoinRequest: Sendable {
    let subscriber: any LiveSubscriber
    let carrier: Carrier
    let resume: ResumePositions
    let reconnectAfterMs: Int64
    let expiresAtWallMilliseconds: Int64
}

private struct Hello: Encodable {
    struct Position: Encodable {
        let epoch: String, offset: Int64, recovered: Bool
    }
    let kind = "hello"
    let serverTime: String, reconnectAfterMs: Int64, positions: [String: Position]
}

extension EventRoom {
    /// A reader that missed more than this gets a snapshot instead.
    static let recoveryLimit: Int64 = 5000
    /// No event has more readers than this on one node.
    static let subscriberLimit = 50_000

    /// Joins a reader, atomically with everything that is handed out.
    ///
    /// - Parameter history: entries that were read from the store because an earlier attempt asked for them.
    func join(_ request: JoinRequest, history: [LogName: [LogEntry]], now: Moment) -> JoinOutcome {
        state.withLock { $0.join(request, history, now) }
    }

    /// Forgets a reader.
    func leave(_ id: UInt64, _ carrier: Carrier) {
        state.withLock { $0.carriers[carrier]?.subscriptions[id] = nil }
    }

    /// How many readers there are.
    var subscriberCount: Int {
        state.withLock { state in state.carriers.values.reduce(0) { $0 + $1.subscriptions.count } }
    }

    /// Ends every connection, for example when the event or the server ends.
    func endAll(_ code: UInt16, _ reason: String) {
        state.withLock { state in
            for carrier in Carrier.allCases {
                for subscription in (state.carriers[carrier]?.subscriptions ?? [:]).values {
                    subscription.subscriber.end(code, reason)
                }
                state.carriers[carrier]?.subscriptions = [:]
            }
        }
    }

    /// Ends the connections whose tokens have expired.
    func endExpired(_ now: Moment) {
        state.withLock { state in
            for carrier in Carrier.allCases {
                for (id, subscription) in state.carriers[carrier]?.subscriptions ?? [:]
                where subscription.expiresAtWallMilliseconds <= now.wallMilliseconds {
                    subscription.subscriber.end(WebSocketCloseCode.unauthorized, "the token has expired")
                    state.carriers[carrier]?.subscriptions[id] = nil
                }
            }
        }
    }
}

extension EventRoom.State {
    private enum Recovery {
        case entries([LogEntry])
        case snapshot
    }

    mutating func join(_ request: JoinRequest, _ history: [LogName: [LogEntry]], _ now: Moment) -> JoinOutcome {
        lastUse = now.monotonic
        guard carriers.values.reduce(0, { $0 + $1.subscriptions.count }) < EventRoom.subscriberLimit else {
            return .full
        }
        var recoveries: [LogName: Recovery] = [:], known: [LogName: Int64] = [:]
        for log in LogName.allCases {
            guard let recent = recent[log] else { continue }
            let released = position(log, request.carrier)
            guard let given = request.resume.positions[log], given.epoch == released.epoch, given.offset <= recent.head,
                released.offset - given.offset <= EventRoom.recoveryLimit
            else {
                recoveries[log] = .snapshot
                continue
            }
            // A reader may know more than its carrier has now, for example after a restart: it gets nothing twice.
            known[log] = given.offset
            var missed = (history[log] ?? []).filter {
                $0.epoch == released.epoch && $0.offset > given.offset && $0.offset <= released.offset
            }
            let after = missed.last?.offset ?? given.offset
            guard let rest = recent.entries(after: after, through: released.offset) else {
                return .needsHistory(log, epoch: released.epoch, after: after)
            }
            missed += rest
            recoveries[log] = .entries(missed)
        }
        return welcome(request, recoveries, known, now)
    }

    private mutating func welcome(
        _ request: JoinRequest, _ recoveries: [LogName: Recovery], _ known: [LogName: Int64], _ now: Moment
    ) -> JoinOutcome {
        var positions: [String: Hello.Position] = [:], reached = request.resume
        for log in LogName.allCases {
            let position = position(log, request.carrier)
            let isRecovered = if case .entries = recoveries[log] { true } else { false }
            positions[log.rawValue] = .init(
                epoch: position.epoch, offset: max(position.offset, known[log] ?? 0), recovered: isRecovered)
            if !isRecovered { reached.positions[log] = nil }
        }
        let hello = Hello(
            serverTime: JSON.timestamp(milliseconds: now.wallMilliseconds), reconnectAfterMs: request.reconnectAfterMs,
            positions: positions)
        let subscriber = request.subscriber
        var isThere = send((try? JSONText.of(hello)) ?? "{}", event: "hello", reached, subscriber)
        for log in LogName.allCases where isThere {
            switch recoveries[log] {
            case .snapshot?:
                reached.positions[log] = position(log, request.carrier)
                isThere = send(snapshot(log, request.carrier), event: nil, reached, subscriber)
            case .entries(let entries)?:
                for entry in entries where isThere {
                    reached.positions[log] = LogPosition(epoch: entry.epoch, offset: entry.offset)
                    isThere = send(entry.json, event: nil, reached, subscriber)
                }
            case nil: break
            }
        }
        nextSubscription += 1
        if isThere {
            carriers[request.carrier]?.subscriptions[nextSubscription] = .init(
                subscriber: subscriber, known: known, expiresAtWallMilliseconds: request.expiresAtWallMilliseconds)
        }
        return .joined(nextSubscription)
    }

    private func send(
        _ json: String, event: String?, _ reached: ResumePositions, _ subscriber: any LiveSubscriber
    ) -> Bool {
        var message = SharedMessage(json: json, id: reached.text, event: event)
        return subscriber.deliver(message.buffer(subscriber.form))
    }

    /// The released state of a log as a message; made once for each offset.
    private mutating func snapshot(_ log: LogName, _ carrier: Carrier) -> String {
        let position = position(log, carrier)
        let made = log == .live ? liveSnapshot : carriers[carrier]?.snapshot
        if let made, made.offset == position.offset { return made.json }
        let fold = log == .live ? live : carriers[carrier]?.timeline ?? LogState()
        let json =
            "{\"kind\":\"snapshot\",\"log\":\"\(log.rawValue)\",\"epoch\":\"\(position.epoch)\","
            + "\"offset\":\(position.offset),\"data\":\((try? JSONText.of(fold)) ?? "{}")}"
        if log == .live {
            liveSnapshot = (position.offset, json)
        } else {
            carriers[carrier]?.snapshot = (position.offset, json)
        }
        return json
    }
}
