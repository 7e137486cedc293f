// Signed cookies for HLS, in the form that CloudFront defines for custom policies.

public import Crypto
internal import Foundation

/// Signs and checks playback cookies: a policy for a path prefix with an end, signed with ECDSA over SHA-256.
///
/// The form is that of CloudFront's signed cookies with a custom policy: the minified policy and its signature in
/// base 64, with `+`, `=`, `/` written as `-`, `_`, `~`.
public enum PlaybackCookies {
    /// The cookies' names.
    public static let policyName = "CloudFront-Policy", signatureName = "CloudFront-Signature"
    /// The name of the cookie that says which key signed.
    public static let keyName = "CloudFront-Key-Pair-Id"
    /// The name of the cookie that says by which hash.
    public static let hashName = "CloudFront-Hash-Algorithm"

    private struct Policy: Codable {
        struct Statement: Codable {
            let resource: String
            let condition: Condition
            enum CodingKeys: String, CodingKey {
                case resource = "Resource"
                case condition = "Condition"
            }
        }
        struct Condition: Codable {
            let dateLessThan: Moment
            enum CodingKeys: String, CodingKey { case dateLessThan = "DateLessThan" }
        }
        struct Moment: Codable {
            let epochTime: Int64
            enum CodingKeys: String, CodingKey { case epochTime = "AWS:EpochTime" }
        }
        let statement: [Statement]
        enum CodingKeys: String, CodingKey { case statement = "Statement" }
    }

    /// Makes the cookies for an event.
    ///
    /// - Parameters:
    ///   - event: the event's slug; the cookies are good for `/hls/{event}/*` on any host that trusts the key.
    ///   - expiresAt: seconds since the Unix epoch.
    ///   - key: the installation's signing key.
    ///   - keyID: how the key is named.
    /// - Returns: cookie values by name.
    public static func make(
        event: String, expiresAt: Int64, key: P256.Signing.PrivateKey, keyID: String
    ) throws -> [(name: String, value: String)] {
        let statement = Policy.Statement(
            resource: resource(event), condition: .init(dateLessThan: .init(epochTime: expiresAt)))
        let policy = try JSON.encoder.encode(Policy(statement: [statement]))
        let signature = try key.signature(for: policy).derRepresentation
        return [
            (policyName, encode(policy)), (signatureName, encode(signature)), (keyName, keyID), (hashName, "SHA256"),
        ]
    }

    /// Returns whether cookies let their bearer read an event's media.
    ///
    /// - Parameters:
    ///   - value: reads a cookie of the request.
    ///   - event: the event that the request's path names.
    ///   - nowSeconds: seconds since the Unix epoch.
    ///   - keys: trusted public keys by id.
    public static func allow(
        cookie value: (String) -> String?, event: String, nowSeconds: Int64, keys: [String: P256.Signing.PublicKey]
    ) -> Bool {
        guard let keyID = value(keyName), let key = keys[keyID],
            let policyText = value(policyName), policyText.utf8.count <= 2048, let policy = decode(policyText),
            let signatureText = value(signatureName), signatureText.utf8.count <= 256,
            let signatureBytes = decode(signatureText),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signatureBytes),
            key.isValidSignature(signature, for: policy),
            let statements = try? JSONDecoder().decode(Policy.self, from: policy).statement, statements.count == 1
        else { return false }
        return statements[0].resource == resource(event)
            && statements[0].condition.dateLessThan.epochTime > nowSeconds
    }

    private static func resource(_ event: String) -> String { "https://*/hls/\(event)/*" }

    private static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("=", with: "_").replacing("/", with: "~")
    }

    private static func decode(_ text: String) -> Data? {
        Data(
            base64Encoded: text.replacing("-", with: "+").replacing("_", with: "=").replacing("~", with: "/"))
    }
}
