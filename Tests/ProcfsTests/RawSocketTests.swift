import Procfs
import Testing

/// The tables of raw and packet sockets.
@Suite struct RawSocketTests {
    @Test func tablesAreRead() {
        let raw = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref
             227: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 38705375 2 0 0
             228: damaged
            """
        #expect(
            RawSocket.parse(ip: Array(raw.utf8)) == [
                RawSocket(kind: .ip, address: (0, 0xffff_7f00_0001), number: 1, inode: 38_705_375)
            ])
        let raw6 = """
            heading
              55: 00000000000000000000000001000000:003A 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 77 2 0 0
            """
        #expect(
            RawSocket.parse(ip: Array(raw6.utf8)) == [
                RawSocket(kind: .ip, address: (0, 1), number: 58, inode: 77)
            ])
        let packet = """
            sk               RefCnt Type Proto  Iface R Rmem   User   Inode
            00000000785cce17 3      3    88cc   0     1 0      0      4711
            00000000785cce17 3      3    xyz    0     1 0      0      4712
            """
        #expect(
            RawSocket.parse(packet: Array(packet.utf8)) == [
                RawSocket(kind: .packet, address: (0, 0), number: 0x88cc, inode: 4711)
            ])
        #expect(RawSocket.parse(packet: []).isEmpty)
    }
}
