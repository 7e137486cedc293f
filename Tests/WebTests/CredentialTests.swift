import Crypto
import Foundation
import HTTPTypes
import Media
import Testing
import Web

@Suite("Credentials")
struct CredentialTests {
    struct Store: CredentialStore {
        var revoked: Set<String> = []
        var sessions: [String: TokenClaims] = [:]
        func isRevoked(jti: String) async throws -> Bool { revoked.contains(jti) }
        func session(hash: String, nowSeconds: Int64) async throws -> TokenClaims? { sessions[hash] }
    }

    private func claims(_ end: Int64 = 100, jti: String = "j") -> TokenClaims {
        TokenClaims(sub: "p", name: "Ada", org: "o", event: "e", role: .attendee, can: [], exp: end, jti: jti)
    }

    private func status(_ body: () async throws -> Void) async -> Int? {
        do {
            try await body()
            return nil
        } catch { return (error as? Problem)?.status.code }
    }

    @Test("a token is read back as it was signed")
    func roundTrip() async throws {
        let keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        #expect(try await keys.verify(try await keys.sign(claims()), nowSeconds: 99) == claims())
    }

    @Test("an expired, changed, foreign or unsigned token is refused")
    func refused() async throws {
        let keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let foreign = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let token = try await keys.sign(claims())
        let parts = token.split(separator: ".").map(String.init)
        let other = try await keys.sign(claims(jti: "k")).split(separator: ".").map(String.init)
        let none = Data(#"{"alg":"none"}"#.utf8).base64EncodedString().replacing("=", with: "")
        #expect(await status { _ = try await keys.verify(token, nowSeconds: 100) } == 401)
        for bad in [
            "", "a.b.c", parts[0] + "." + other[1] + "." + parts[2], none + "." + parts[1] + ".",
            String(token.dropLast(4)), try await foreign.sign(claims()), String(repeating: "x", count: 5000),
        ] {
            #expect(await status { _ = try await keys.verify(bad, nowSeconds: 1) } == 401, "\(bad.prefix(20))")
        }
    }

    @Test("a revoked token and an unknown session are refused; no credential is nobody")
    func sources() async throws {
        let keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let store = Store(revoked: ["gone"], sessions: [RandomToken.hash("cookie"): claims()])
        let authenticator = Authenticator(keys: keys, store: store) { 1 }
        #expect(try await authenticator.principal(of: [:]) == nil)
        let good = try await keys.sign(claims())
        #expect(try await authenticator.principal(of: [.authorization: "Bearer \(good)"])?.source == .bearer)
        let revoked = try await keys.sign(claims(jti: "gone"))
        #expect(
            await status { _ = try await authenticator.principal(of: [.authorization: "Bearer \(revoked)"]) } == 401)
        #expect(await status { _ = try await authenticator.principal(of: [.authorization: "Basic eDp5"]) } == 401)
        let cookie = "a=b; __Host-proscenium=cookie; c=d"
        #expect(try await authenticator.principal(of: [.cookie: cookie])?.source == .cookie)
        #expect(await status { _ = try await authenticator.principal(of: [.cookie: "__Host-proscenium=x"]) } == 401)
    }

    @Test("a ticket is good once, and for thirty seconds")
    func tickets() async throws {
        let office = TicketOffice()
        let caller = Principal(claims: claims(), source: .bearer)
        let first = try office.issue(to: caller, nowSeconds: 0)
        #expect(try office.redeem(first.ticket, nowSeconds: 29).source == .ticket)
        #expect(await status { _ = try office.redeem(first.ticket, nowSeconds: 29) } == 401)
        let second = try office.issue(to: caller, nowSeconds: 0)
        #expect(await status { _ = try office.redeem(second.ticket, nowSeconds: 30) } == 401)
    }

    @Test("playback cookies are good for their event, until their end, with a trusted key")
    func playback() throws {
        let key = P256.Signing.PrivateKey()
        let cookies = Dictionary(
            uniqueKeysWithValues: try PlaybackCookies.make(event: "e", expiresAt: 100, key: key, keyID: "k")
                .map { ($0.name, $0.value) })
        func allow(
            _ cookies: [String: String], event: String = "e", now: Int64 = 99, trusted: P256.Signing.PublicKey? = nil
        ) -> Bool {
            PlaybackCookies.allow(
                cookie: { cookies[$0] }, event: event, nowSeconds: now, keys: ["k": trusted ?? key.publicKey])
        }
        #expect(allow(cookies))
        #expect(!allow(cookies, now: 100))
        #expect(!allow(cookies, event: "f"))
        #expect(!allow([:]))
        #expect(!allow(cookies, trusted: P256.Signing.PrivateKey().publicKey))
        for name in cookies.keys where name != PlaybackCookies.hashName {
            var changed = cookies
            changed[name] = "x" + (cookies[name] ?? "")
            #expect(!allow(changed), "\(name)")
        }
        let policy = try #require(cookies[PlaybackCookies.policyName])
        #expect(!policy.contains("+") && !policy.contains("=") && !policy.contains("/"))
    }

    @Test("a limiter gives the burst, then the rate, and forgets who is idle")
    func limiter() {
        let limiter = RateLimiter(perSecond: 2, burst: 3, limit: 2)
        let start = MonotonicTime(milliseconds: 0)
        for _ in 0..<3 { #expect(limiter.take("a", now: start) == nil) }
        #expect(limiter.take("a", now: start) == 501)
        #expect(limiter.take("a", now: MonotonicTime(milliseconds: 500)) == nil)
        #expect(limiter.take("b", now: start) == nil)
        #expect(limiter.take("c", now: MonotonicTime(milliseconds: 501)) == nil)
        #expect(limiter.take("d", now: MonotonicTime(milliseconds: 501)) == 1000)
    }
}
