// Why a connection of a publisher ended, and how that is said.

internal import Foundation
internal import Media
internal import NIOCore
internal import NIOSSL
internal import RTMP

/// Why a connection ended.
enum PublishEnd: Equatable, Sendable {
    /// It could not be made, with what the network says.
    case unreachable(String)
    /// The network ended a connection on which the stream had started, with what it says.
    case broken(String)
    /// The certificate does not prove the server's name.
    case untrusted
    /// The host has an address that is not of the public internet.
    case forbidden
    /// The protocol ended it.
    case failed(RTMPClientFailure)
    /// No byte went out for too long.
    case stalled

    /// Whether the server refused the stream.
    var isRefused: Bool { if case .failed(.refused) = self { true } else { false } }

    /// What an error of the network or of TLS means.
    init(_ error: any Error) {
        let text = "\(error)"
        // Neither BoringSSL's nor NIOSSL's errors can be told apart but by their texts.
        if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("failedToValidateHostname")
            || text.contains("unableToValidateCertificate") || text.contains("noCertificateToValidate")
        {
            self = .untrusted
        } else if let error = error as? IOError {
            self = .unreachable(String(cString: strerror(error.errnoCode)))
        } else if case .connectTimeout(let amount)? = error as? ChannelError {
            self = .unreachable("no answer within \(amount.nanoseconds / 1_000_000_000) s")
        } else if error is NIOSSLError || error is BoringSSLError {
            self = .unreachable("TLS: \(text)")
        } else {
            self = .unreachable(text)
        }
    }

    /// What it means once the stream had started: a reset then is no server that can't be reached.
    var afterStart: Self { if case .unreachable(let text) = self { .broken(text) } else { self } }

    /// One sentence for a producer; it may hold what the server said, so the key is taken out of it afterwards.
    func sentence(hasLasted: Bool) -> String {
        switch self {
        case .unreachable(let text): "The server can't be reached: \(text)."
        case .broken(let text):
            hasLasted
                ? "The connection broke: \(text)."
                : "The server closed the connection at once (\(text)): is the key right?"
        case .untrusted: "The server's certificate is not trusted, or not for this name."
        case .forbidden: "The address is private; only servers of the public internet are allowed."
        case .stalled: "The server took nothing for too long."
        case .failed(.refused(let code)): "The server refuses the stream (\(code)): is the key right?"
        case .failed(.ended(let code)): "The server ended the stream (\(code))."
        case .failed(.protocolError(let error)): "The server does not speak RTMP as it should (\(error))."
        case .failed(.startDeadline): "The server was silent and did not start the stream."
        case .failed(.connectionClosed):
            hasLasted
                ? "The server closed the connection."
                : "The server closed the connection at once: is the key right?"
        case .failed(.finished): "The stream was ended here."
        }
    }
}
