import SocketDiagnostics
import TestSupport
import Testing
import Wire

func closedSockets(_ bytes: [UInt8]) throws(WireError) -> [ClosedSocket] {
    var sockets = [ClosedSocket]()
    try DestroyListener.parse(bytes.span.bytes) { sockets.append(copy $0) }
    return sockets
}

@Suite struct DestroyNoticeTests {
    static let loopback: UInt32 = 0x7f00_0001

    @Test func clientOverIPv4() throws {
        let socket = try #require(try closedSockets(Fixtures.tcpClientClosed).first)
        #expect(socket.transport == .tcp)
        #expect(socket.state == .close)
        #expect(socket.local == SocketAddress(v4: Self.loopback, port: 52926))
        #expect(socket.remote == SocketAddress(v4: Self.loopback, port: 34761))
        #expect(socket.local.high == 0)
        #expect(socket.local.low == 0xffff_7f00_0001)
        #expect(socket.local.isV4)
        #expect(socket.cookie == 0x16)
        #expect(socket.userID == 0)
        #expect(socket.cgroup == nil)
        #expect(socket.interface == 0)
        let traffic = try #require(socket.traffic)
        #expect(traffic.bytesSent == 1000)
        #expect(traffic.bytesReceived == 78)
        #expect(traffic.dataSegmentsReceived == 1)
        #expect(traffic.unread == 1)
        #expect(traffic.payloadReceived == 77...78)
        #expect(traffic.payloadReceived(countingFin: true) == 77)
    }

    @Test func serverOverIPv6() throws {
        let socket = try #require(try closedSockets(Fixtures.tcpServerClosed).first)
        #expect(socket.local == SocketAddress(high: 0, low: 1, port: 42555))
        #expect(socket.remote == SocketAddress(high: 0, low: 1, port: 41994))
        #expect(!socket.local.isV4)
        #expect(socket.cookie == 0x14)
        #expect(socket.traffic?.bytesSent == 77)
        #expect(socket.traffic?.bytesReceived == 1001)
    }

    @Test func udpSocket() throws {
        let socket = try #require(try closedSockets(Fixtures.udpClosed).first)
        #expect(socket.transport == .udp)
        #expect(socket.state == .established)
        #expect(socket.local == SocketAddress(v4: Self.loopback, port: 36106))
        #expect(socket.remote == SocketAddress(v4: Self.loopback, port: 35065))
        #expect(socket.cookie == 0x19)
        #expect(socket.traffic == nil)
    }

    @Test func severalInOneDatagram() throws {
        let bytes = Fixtures.tcpClientClosed + Fixtures.done + Fixtures.udpClosed
        #expect(try closedSockets(bytes).map(\.cookie) == [0x16, 0x19])
    }

    /// A message's length leaves its padding out; the next one stands behind the padding.
    @Test func paddedMessages() throws {
        var bytes = Fixtures.udpClosed
        bytes[0] = 93
        #expect(try closedSockets(bytes + Fixtures.tcpServerClosed).map(\.cookie) == [0x19, 0x14])
        bytes.removeLast(3)
        #expect(try closedSockets(bytes).map(\.transport) == [.udp])
    }

    @Test func addressesKeepTheirByteOrder() throws {
        var bytes = Fixtures.tcpServerClosed
        for index in 0..<16 { bytes[24 + index] = UInt8(0xa0 + index) }
        bytes[40..<56] = hex("00000000 00000000 0000ffff c0a80102")[...]
        let socket = try #require(try closedSockets(bytes).first)
        #expect(
            socket.local
                == SocketAddress(high: 0xa0a1_a2a3_a4a5_a6a7, low: 0xa8a9_aaab_acad_aeaf, port: 42555))
        // An IPv6 socket that served IPv4 has the same address as the client's IPv4 socket.
        #expect(socket.remote == SocketAddress(v4: 0xc0a8_0102, port: 41994))
    }

    /// An older kernel's tcp_info ends sooner: each field is read only where it is whole.
    @Test(
        arguments: [
            (280, 1000, 78), (216, 1000, 78), (215, nil, 78), (160, nil, 78), (136, nil, 78), (135, nil, nil),
            (104, nil, nil), (0, nil, nil),
        ] as [(Int, UInt64?, UInt64?)])
    func shorterInformation(length: Int, sent: UInt64?, received: UInt64?) throws {
        let start = 100  // where the tcp_info starts
        var bytes = Array(Fixtures.tcpClientClosed.prefix(start + length))
        let attribute = UInt16(4 + length)
        bytes[96] = UInt8(attribute & 0xff)
        bytes[97] = UInt8(attribute >> 8)
        bytes[0] = UInt8(bytes.count & 0xff)
        bytes[1] = UInt8(bytes.count >> 8)
        let socket = try #require(try closedSockets(bytes).first)
        #expect(socket.traffic?.bytesSent == sent)
        #expect(socket.traffic?.bytesReceived == received)
        #expect(socket.traffic?.dataSegmentsReceived == (length >= 156 ? 1 : nil))
    }

    @Test func payloadIsExactlyNothingWhereNoDataCame() throws {
        var bytes = Fixtures.tcpClientClosed
        let information = 100
        bytes[information + 128] = 1  // tcpi_bytes_received: a FIN
        #expect(try closedSockets(bytes)[0].traffic?.payloadReceived == 0...1)
        bytes[information + 152] = 0  // tcpi_data_segs_in
        #expect(try closedSockets(bytes)[0].traffic?.payloadReceived == 0...0)
        bytes[information + 128] = 0
        #expect(try closedSockets(bytes)[0].traffic?.payloadReceived == 0...0)
        #expect(try closedSockets(bytes)[0].traffic?.payloadReceived(countingFin: true) == 0)
    }

    /// The second socket of one handshake received what completed it, if that, and nothing else happened to it.
    @Test func theSecondSocketOfAHandshakeIsNoConnections() throws {
        // Offsets in the notice: tcpi_bytes_received, tcpi_segs_out, tcpi_segs_in.
        let (payload, out, inward) = (228, 236, 240)
        var bytes = Fixtures.tcpServerClosed
        bytes.replaceSubrange(payload..<payload + 16, with: repeatElement(0, count: 16))
        func isDuplicate(_ changed: [Int: UInt8] = [:]) throws -> Bool {
            var bytes = bytes
            for (offset, value) in changed { bytes[offset] = value }
            return try closedSockets(bytes)[0].isDuplicate
        }
        #expect(try isDuplicate())
        #expect(try isDuplicate([inward: 1]))
        // One that was reset at once, one that sent its own end, one with payload, one that its program reset.
        #expect(try !isDuplicate([inward: 2]))
        #expect(try !isDuplicate([inward: 1, out: 1]))
        #expect(try !isDuplicate([inward: 1, payload: 1]))
        #expect(try !isDuplicate([22: 0, 23: 0]))
        #expect(try !closedSockets(Fixtures.tcpClientClosed)[0].isDuplicate)
        #expect(try !closedSockets(Fixtures.udpClosed)[0].isDuplicate)
    }

    @Test func moreSentAgainThanSentIsNothing() throws {
        var bytes = Fixtures.tcpClientClosed
        bytes[100 + 208] = 0xff  // tcpi_bytes_retrans
        #expect(try closedSockets(bytes)[0].traffic?.bytesSent == 1000 - 255)
        bytes[100 + 215] = 0xff
        #expect(try closedSockets(bytes)[0].traffic?.bytesSent == 0)
    }

    @Test func otherFamiliesAndTypesAreSkipped() throws {
        var bytes = Fixtures.tcpClientClosed
        bytes[16] = 1
        #expect(try closedSockets(bytes + Fixtures.udpClosed).count == 1)
        bytes = Fixtures.tcpClientClosed
        bytes[4] = 21
        #expect(try closedSockets(bytes + Fixtures.udpClosed).count == 1)
    }

    @Test func lengthsAreNotTrusted() {
        func broken(_ change: (inout [UInt8]) -> Void) -> WireError? {
            var bytes = Fixtures.tcpClientClosed
            change(&bytes)
            do throws(WireError) {
                _ = try closedSockets(bytes)
                return nil
            } catch { return error }
        }
        // The message's: less than its header, more than there is, and what libmnl 1.0.4 takes for -1.
        #expect(broken { $0[0...1] = [15, 0] } == .malformed(offset: 0))
        #expect(broken { $0[0...1] = [0, 0] } == .malformed(offset: 0))
        #expect(broken { $0[0] += 1 } == .truncated(offset: 0))
        #expect(broken { $0[0...3] = [0xff, 0xff, 0xff, 0xff] } == .truncated(offset: 0))
        // A message too short for an inet_diag_msg.
        #expect(broken { $0[0...1] = [87, 0] } == .truncated(offset: 0))
        // The second attribute's.
        #expect(broken { $0[96...97] = [3, 0] } == .malformed(offset: 80))
        #expect(broken { $0[96...97] = [0, 0] } == .malformed(offset: 80))
        #expect(broken { $0[96] += 1 } == .truncated(offset: 80))
        #expect(broken { $0[96...97] = [0xff, 0xff] } == .truncated(offset: 80))
    }

    @Test(arguments: [Fixtures.tcpClientClosed, Fixtures.tcpServerClosed, Fixtures.udpClosed])
    func everyTruncationIsAnError(bytes: [UInt8]) throws {
        #expect(try closedSockets([]).isEmpty)
        for length in 1..<bytes.count {
            #expect(throws: WireError.self) { try closedSockets(Array(bytes.prefix(length))) }
        }
        #expect(try closedSockets(bytes).count == 1)
    }

    @Test func hostileBytesDoNotTrap() {
        let good = [
            Fixtures.tcpClientClosed, Fixtures.tcpServerClosed, Fixtures.udpClosed,
            Fixtures.udpClosed + Fixtures.tcpServerClosed,
        ]
        var parsed = 0
        var refused = 0
        hostileMessages(from: good, count: 20_000, seed: 23) { bytes in
            do throws(WireError) {
                for socket in try closedSockets(bytes) {
                    parsed += 1
                    _ = socket.traffic.map { ($0.payloadReceived, $0.payloadReceived(countingFin: true)) }
                }
            } catch { refused += 1 }
        }
        // Both happened often: the inputs are neither all noise nor all good.
        #expect(parsed > 1000)
        #expect(refused > 1000)
    }
}
