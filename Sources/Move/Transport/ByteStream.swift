import CLinux
import Glibc
public import SystemCalls
public import Transfer

/// A connection that carries bytes.
public protocol ByteStream: AnyObject {
    /// At least one byte, at most so many as there is room for; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransferError) -> Int
    /// Writes all.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TransferError)
    /// Ends it, for whoever waits in `read` too; may be called by another thread.
    func close()
}

/// A socket without protection, of this host.
public final class SocketStream: ByteStream, @unchecked Sendable {
    private let socket: FileDescriptor

    /// Takes a connected socket.
    public init(_ socket: consuming FileDescriptor) { self.socket = socket }

    /// Reads once.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransferError) -> Int {
        do throws(SystemError) {
            let number = socket.number
            return try systemCall("recv") { recv(number, buffer.baseAddress, buffer.count, 0) }
        } catch { throw .closed(error.description) }
    }

    /// Writes all.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(TransferError) {
        var offset = 0
        let number = socket.number
        do throws(SystemError) {
            while offset < bytes.count {
                offset += try systemCall("send") {
                    send(number, bytes.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
                }
            }
        } catch { throw .closed(error.description) }
    }

    /// Ends the connection.
    public func close() { shutdown(socket.number, Int32(SHUT_RDWR)) }
}

/// Frames over bytes: each is its payload's length (32 bits), its kind (8 bits) and the payload.
///
/// One thread uses it at a time; any may close it.
public final class StreamChannel: FrameChannel, @unchecked Sendable {
    private let stream: any ByteStream
    private var waiting: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    private var start = 0
    private var end = 0

    /// Bytes that wait until they are sent together.
    private static let mostWaiting = 256 << 10

    /// Frames over a stream.
    public init(_ stream: any ByteStream) { self.stream = stream }

    /// Sends a frame, with those that follow.
    public func send(_ frame: Frame) throws(TransferError) {
        var head = PacketWriter()
        head.integer(UInt32(frame.payload.count))
        head.integer(frame.kind.rawValue)
        waiting += head.bytes
        waiting += frame.payload
        if waiting.count >= Self.mostWaiting { try flush() }
    }

    /// Sends what waits.
    public func flush() throws(TransferError) {
        guard !waiting.isEmpty else { return }
        let bytes = waiting
        waiting.removeAll(keepingCapacity: true)
        try bytes.withUnsafeBufferPointer { bytes throws(TransferError) in
            try stream.write(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The next frame.
    public func receive() throws(TransferError) -> Frame {
        try flush()
        let head = try take(5)
        var packet = PacketReader(head)
        let count = Int(try packet.integer(UInt32.self))
        guard count <= Frame.mostBytes, let kind = FrameKind(rawValue: try packet.integer()) else {
            throw .malformed("a frame of another protocol")
        }
        return Frame(kind, try take(count))
    }

    /// Ends the connection.
    public func close() { stream.close() }

    private func take(_ count: Int) throws(TransferError) -> [UInt8] {
        var bytes = [UInt8]()
        bytes.reserveCapacity(count)
        while bytes.count < count {
            if start == end {
                start = 0
                let stream = stream
                end = try buffer.withUnsafeMutableBufferPointer { buffer throws(TransferError) in
                    try stream.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                if end == 0 { throw .closed("the other end closed it") }
            }
            let part = min(count - bytes.count, end - start)
            bytes += buffer[start..<start + part]
            start += part
        }
        return bytes
    }
}
