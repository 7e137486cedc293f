// What peers say of ICE by HTTP, beside their descriptions: candidates that come later, and other credentials (RFC 9725 section 4.3).

import Control
import Media
import RTC

extension ShardCore {
    /// Takes a fragment from a peer that has made the offer.
    ///
    /// Its candidates need no memory: an ICE-lite agent finds its peer by the checks that come (RFC 8445 section 2.5).
    ///
    /// - Parameters:
    ///   - text: an `application/trickle-ice-sdpfrag`.
    ///   - restarts: whether it says that it begins ICE anew; with other credentials it does in any case (RFC 9725 section 4.3.3),
    ///     and the same ones as before are the same restart, said once more.
    /// - Returns: our side of a restart; nil where nothing is to be said.
    /// - Throws: `SFUError` for what can't be read, and for candidates of credentials that are not in use any more.
    func take(fragment text: String, restarts: Bool, _ session: Session, now: MonotonicTime) throws(SFUError) -> String?
    {
        guard let known = session.remote else {
            throw SFUError(.conflict, "Of this session the media server makes the offers, and restarts ICE by them.")
        }
        let fragment: ICEFragment
        do throws(SDPError) {
            fragment = try ICEFragment(parsing: text)
        } catch {
            throw SFUError(error)
        }
        let isOther = fragment.credentials.map { $0.ufrag != known.ufrag } ?? false
        // What was overtaken by a restart on its way here is no restart.
        if isOther, fragment.credentials?.ufrag == session.remoteBefore {
            throw SFUError(.badRequest, "The candidates are of credentials that a restart of ICE has replaced.")
        }
        guard restarts || isOther else { return nil }
        guard let theirs = fragment.credentials else {
            throw SFUError(.badRequest, "A restart of ICE has a=ice-ufrag and a=ice-pwd.")
        }
        if theirs.ufrag != known.ufrag {
            rename(session, now: now)
            session.remoteBefore = known.ufrag
            session.remote = (theirs.ufrag, known.fingerprint)
        }
        var answer = fragment
        answer.credentials = session.transport.credentials
        answer.candidates = candidates
        answer.isComplete = true
        return answer.text()
    }
}

extension SFUError {
    /// What was wrong with a description or a fragment of one.
    init(_ error: SDPError) {
        switch error {
        case .missing, .unsupported: self.init(.badRequest, error.description)
        case .tooLarge, .tooManyLines, .tooManySections, .notSDP, .badLine:
            self.init(.malformed, error.description)
        }
    }
}
