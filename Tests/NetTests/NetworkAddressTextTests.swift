import Glibc
import TestSupport
import Testing

import Net

@Suite struct NetworkAddressTextTests {
    /// RFC 5952, section 4, and RFC 4291, section 2.2.
    @Test(arguments: [
        ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"), ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:DB8::ABCD", "2001:db8::abcd"), ("1:0:0:0:0:0:0:0", "1::"), ("0:0:1:0:0:0:0:0", "0:0:1::"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:10.0.0.9", "10.0.0.9"), ("::ffff:a00:9", "10.0.0.9"), ("10.0.0.9", "10.0.0.9"),
        ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::1.2.3.4", "::102:304"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("fe80::1", "fe80::1"), ("::ffff:0:1.2.3.4", "::ffff:0:102:304"),
    ])
    func canonicalForm(text: String, expected: String) throws {
        let address = try #require(NetworkAddress(text))
        #expect(address.description == expected)
        #expect(NetworkAddress(expected) == address)
    }

    @Test(arguments: [
        "", ":", ":::", "1:", ":1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1::",
        "1::2::3", "12345::", "g::", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " ::1",
        "::1%eth0",
        "1.2.3.4:80", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1.2.3.4::", "1..2.3", "::ffff:1.2.3.4:5", "[::1]",
        "0000:0000:0000:0000:0000:0000:0000:00000000001", "1:::2", "-1.2.3.4",
    ])
    func refuses(text: String) { #expect(NetworkAddress(text) == nil) }

    /// The C library writes IPv6 the same way but for the forms that embed IPv4.
    @Test func agreesWithTheCLibrary() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<5000 {
            var groups = (0..<8).map { _ in UInt16.random(in: 0...UInt16.max, using: &random) }
            for index in 0..<8 where Bool.random(using: &random) { groups[index] = 0 }
            groups[0] = 0x2001
            let high = groups[..<4].reduce(0) { $0 << 16 | UInt64($1) }
            let address = NetworkAddress(high: high, low: groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
            var raw = groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
            var text = [CChar](repeating: 0, count: 64)
            inet_ntop(AF_INET6, &raw, &text, 64)
            let expected = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            #expect(address.description == expected)
            #expect(NetworkAddress(address.description) == address)
        }
    }
}
