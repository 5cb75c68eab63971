import COpenSSL
import CLinux
import Glibc
import SystemCalls

/// Makes the certificates that hosts know one another by: an authority of one's own, and a certificate for each host.
///
/// Keys are Ed25519. A host's certificate has the host's name as DNS name, and serves for both ends of a connection.
public enum Certificates {
    /// Makes an authority: `authority.pem`, which every host gets, and `authority.key`, which stays where it is.
    ///
    /// - Parameter days: how long it is good.
    public static func makeAuthority(in folder: String, name: String, days: Int) throws(TLSError) {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw TLSError("\(folder): \(SystemError.text(of: errno))")
        }
        for file in ["authority.pem", "authority.key"] where access("\(folder)/\(file)", F_OK) == 0 {
            throw TLSError("\(folder)/\(file) is there already")
        }
        guard let key = copenssl_make_ed25519() else { throw .last("a key") }
        defer { EVP_PKEY_free(key) }
        let certificate = try make(name, key, issuer: nil, issuerKey: key, days: days, isAuthority: true)
        defer { X509_free(certificate) }
        try write(key, to: "\(folder)/authority.key")
        try write(certificate: certificate, to: "\(folder)/authority.pem")
    }

    /// Makes a host's key and certificate in a folder of its own, with a copy of `authority.pem`.
    ///
    /// - Parameter days: how long it is good; of less than 0 it has expired.
    public static func makeHost(
        _ name: String, in folder: String, authority: String, days: Int
    ) throws(TLSError) {
        guard !name.isEmpty, name.utf8.count < 64, name.utf8.allSatisfy({ isNameByte($0) }) else {
            throw TLSError("a host's name has letters, digits, dots and hyphens")
        }
        guard let issuerKey = readKey("\(authority)/authority.key") else {
            throw .last("\(authority)/authority.key")
        }
        defer { EVP_PKEY_free(issuerKey) }
        guard let issuer = readCertificate("\(authority)/authority.pem") else {
            throw .last("\(authority)/authority.pem")
        }
        defer { X509_free(issuer) }
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw TLSError("\(folder): \(SystemError.text(of: errno))")
        }
        guard access("\(folder)/key.pem", F_OK) != 0 else {
            throw TLSError("\(folder)/key.pem is there already")
        }
        guard let key = copenssl_make_ed25519() else { throw .last("a key") }
        defer { EVP_PKEY_free(key) }
        let certificate = try make(
            name, key, issuer: issuer, issuerKey: issuerKey, days: days, isAuthority: false)
        defer { X509_free(certificate) }
        try write(key, to: "\(folder)/key.pem")
        try write(certificate: certificate, to: "\(folder)/certificate.pem")
        try write(certificate: issuer, to: "\(folder)/authority.pem")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
            || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-")
    }

    private static func make(
        _ name: String, _ key: OpaquePointer, issuer: OpaquePointer?, issuerKey: OpaquePointer, days: Int,
        isAuthority: Bool
    ) throws(TLSError) -> OpaquePointer {
        guard let certificate = X509_new() else { throw .last("a certificate") }
        var serial: UInt64 = 0
        _ = withUnsafeMutableBytes(of: &serial) {
            RAND_bytes($0.baseAddress!.assumingMemoryBound(to: UInt8.self), 8)
        }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1)
        // A clock that is a little late takes it at once.
        X509_gmtime_adj(X509_getm_notBefore(certificate), days < 0 ? (days - 1) * 86400 : -300)
        X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400)
        X509_set_pubkey(certificate, key)
        let subject = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0)
        X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? subject)
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer ?? certificate, certificate, nil, nil, 0)
        let extensions: [(Int32, String)] =
            isAuthority
            ? [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
            ]
            : [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "serverAuth,clientAuth"), (NID_subject_alt_name, "DNS:\(name)"),
            ]
        for (number, value) in extensions {
            guard let made = X509V3_EXT_conf_nid(nil, &context, number, value) else {
                throw .last("an extension")
            }
            X509_add_ext(certificate, made, -1)
            X509_EXTENSION_free(made)
        }
        guard X509_sign(certificate, issuerKey, nil) > 0 else { throw .last("a signature") }
        return certificate
    }

    private static func readKey(_ path: String) -> OpaquePointer? {
        guard let bio = BIO_new_file(path, "r") else { return nil }
        defer { BIO_free(bio) }
        return PEM_read_bio_PrivateKey(bio, nil, nil, nil)
    }

    private static func readCertificate(_ path: String) -> OpaquePointer? {
        guard let bio = BIO_new_file(path, "r") else { return nil }
        defer { BIO_free(bio) }
        return PEM_read_bio_X509(bio, nil, nil, nil)
    }

    private static func write(_ key: OpaquePointer, to path: String) throws(TLSError) {
        try write(to: path, mode: 0o600) { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    private static func write(certificate: OpaquePointer, to path: String) throws(TLSError) {
        try write(to: path, mode: 0o644) { PEM_write_bio_X509($0, certificate) }
    }

    private static func write(
        to path: String, mode: mode_t, _ body: (OpaquePointer) -> Int32
    ) throws(TLSError) {
        guard let bio = BIO_new(BIO_s_mem()) else { throw .last(path) }
        defer { BIO_free(bio) }
        guard body(bio) == 1 else { throw .last(path) }
        var bytes = [UInt8](repeating: 0, count: Int(copenssl_bio_length(bio)))
        guard BIO_read(bio, &bytes, Int32(bytes.count)) == Int32(bytes.count) else { throw .last(path) }
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
            try write(bytes, to: file)
        } catch { throw TLSError("\(path): \(error)") }
    }

    private static func write(_ bytes: [UInt8], to file: borrowing FileDescriptor) throws(SystemError) {
        var offset = 0
        let number = file.number
        while offset < bytes.count {
            offset += try systemCall("write") {
                bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress! + offset, bytes.count - offset) }
            }
        }
    }
}
