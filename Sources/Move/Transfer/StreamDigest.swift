import COpenSSL

/// The SHA-256 of bytes that come piece by piece (EVP_DigestUpdate(3)).
public final class StreamDigest {
    private let context: OpaquePointer
    /// Bytes of a digest.
    public static let size = 32

    /// Of nothing yet.
    public init() {
        // It fails where there is no memory alone.
        context = EVP_MD_CTX_new()!
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Takes the next bytes.
    public func add(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The digest of all that came; nothing can come after.
    public func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Self.size)
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &digest, &count)
        return digest
    }

    /// The digest of pieces that are there.
    public static func of(_ pieces: [UInt8]...) -> [UInt8] {
        let digest = StreamDigest()
        for piece in pieces { piece.withUnsafeBytes(digest.add) }
        return digest.finish()
    }
}
