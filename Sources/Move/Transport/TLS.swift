import COpenSSL
import CLinux
import Glibc
public import SystemCalls
public import Transfer

/// Why there is no protected connection, or no certificate.
public struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A sentence for people.
    public var description: String

    /// Makes one.
    public init(_ description: String) { self.description = description }

    /// With what OpenSSL says of it.
    static func last(_ what: String) -> TLSError {
        var texts: [String] = []
        while true {
            let code = ERR_get_error()
            if code == 0 { break }
            var text = [CChar](repeating: 0, count: 256)
            ERR_error_string_n(code, &text, text.count)
            let whole = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            // error:0A000086:SSL routines::certificate verify failed
            texts.append(whole.split(separator: ":").last.map(String.init) ?? whole)
        }
        return TLSError(texts.isEmpty ? what : "\(what): \(texts.joined(separator: ", "))")
    }
}

/// Who this host is, and whose certificates it believes: TLS 1.3, both ends with a certificate of one authority.
public final class TLSIdentity: @unchecked Sendable {
    private let context: OpaquePointer
    /// The name in this host's certificate.
    public let name: String

    /// Files of PEM: `authority.pem`, `certificate.pem`, `key.pem` of a folder.
    ///
    /// - Throws: a sentence that names the file.
    public init(folder: String) throws(TLSError) {
        guard let context = SSL_CTX_new(TLS_method()) else { throw .last("TLS") }
        self.context = context
        func need(_ done: Int32, _ file: String) throws(TLSError) {
            if done != 1 { throw .last("\(folder)/\(file)") }
        }
        try need(copenssl_set_min_tls13(context), "")
        copenssl_set_auto_retry(context)
        try need(SSL_CTX_load_verify_locations(context, "\(folder)/authority.pem", nil), "authority.pem")
        try need(
            SSL_CTX_use_certificate_file(context, "\(folder)/certificate.pem", SSL_FILETYPE_PEM),
            "certificate.pem")
        var status = stat()
        if stat("\(folder)/key.pem", &status) == 0, status.st_mode & 0o077 != 0 {
            throw TLSError("\(folder)/key.pem may be read by others: chmod 600")
        }
        try need(SSL_CTX_use_PrivateKey_file(context, "\(folder)/key.pem", SSL_FILETYPE_PEM), "key.pem")
        try need(SSL_CTX_check_private_key(context), "key.pem does not belong to certificate.pem")
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        // A session that is resumed would skip a certificate that has expired meanwhile.
        _ = SSL_CTX_set_num_tickets(context, 0)
        guard let own = SSL_CTX_get0_certificate(context), let name = Self.name(of: own) else {
            throw TLSError("\(folder)/certificate.pem names no host: it has no DNS name")
        }
        self.name = name
    }

    deinit { SSL_CTX_free(context) }

    /// The first DNS name among the alternative names of a certificate.
    static func name(of certificate: OpaquePointer) -> String? {
        guard let names = copenssl_alternative_names(certificate) else { return nil }
        defer { copenssl_free_names(names) }
        for index in 0..<copenssl_names_count(names) {
            guard let name = copenssl_name(names, index), name.pointee.type == GEN_DNS,
                let text = name.pointee.d.dNSName, let bytes = ASN1_STRING_get0_data(text)
            else { continue }
            return String(
                decoding: UnsafeBufferPointer(start: bytes, count: Int(ASN1_STRING_length(text))),
                as: UTF8.self)
        }
        return nil
    }

    /// Protects a connected socket, as the end that connected or the one that accepted.
    ///
    /// - Parameter expected: the name that the other end's certificate has to have; `nil` for any of the authority.
    public func protect(
        _ socket: consuming FileDescriptor, isClient: Bool, expecting expected: String?
    ) throws(TLSError) -> TLSStream {
        guard let connection = SSL_new(context) else { throw .last("TLS") }
        let stream = TLSStream(connection, socket)
        SSL_set_fd(connection, stream.number)
        ERR_clear_error()
        let done = isClient ? SSL_connect(connection) : SSL_accept(connection)
        guard done == 1 else {
            // What the other end still sends would make the kernel reset the connection, and the alert would be lost.
            defer { stream.drain() }
            let verdict = SSL_get_verify_result(connection)
            if verdict != X509_V_OK {
                throw TLSError(
                    "the other end's certificate is not accepted: \(String(cString: X509_verify_cert_error_string(verdict)))"
                )
            }
            throw .last("the other end does not accept this connection")
        }
        guard let certificate = SSL_get0_peer_certificate(connection), let name = Self.name(of: certificate)
        else {
            throw TLSError("the other end's certificate names no host")
        }
        if let expected, expected != name {
            throw TLSError("the other end is \(name), not \(expected)")
        }
        stream.peer = name
        return stream
    }
}

/// A protected connection. One thread uses it at a time; any may close it.
public final class TLSStream: ByteStream, @unchecked Sendable {
    private let connection: OpaquePointer
    private let socket: FileDescriptor
    /// The name in the other end's certificate.
    public fileprivate(set) var peer = ""

    var number: Int32 { socket.number }

    /// Says no more, and waits a moment until the other end has read what was said.
    fileprivate func drain() {
        shutdown(socket.number, Int32(SHUT_WR))
        var time = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(socket.number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var rest = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<64 where recv(socket.number, &rest, rest.count, 0) <= 0 { return }
    }

    fileprivate init(_ connection: OpaquePointer, _ socket: consuming FileDescriptor) {
        self.connection = connection
        self.socket = socket
    }

    deinit { SSL_free(connection) }

    /// Reads once.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransferError) -> Int {
        ERR_clear_error()
        let count = SSL_read(connection, buffer.baseAddress, Int32(min(buffer.count, 1 << 30)))
        if count > 0 { return Int(count) }
        if SSL_get_error(connection, count) == SSL_ERROR_ZERO_RETURN { return 0 }
        throw .closed(reason("the connection was cut"))
    }

    /// Writes all.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(TransferError) {
        guard bytes.count > 0 else { return }
        ERR_clear_error()
        guard SSL_write(connection, bytes.baseAddress, Int32(bytes.count)) > 0 else {
            throw .closed(reason("the connection was cut"))
        }
    }

    private func reason(_ otherwise: String) -> String {
        let code = errno
        let said = TLSError.last("").description
        if said.count > 2 { return String(said.drop { $0 == ":" || $0 == " " }) }
        return code == 0 ? otherwise : SystemError.text(of: code)
    }

    /// Ends the connection.
    public func close() { shutdown(socket.number, Int32(SHUT_RDWR)) }
}
