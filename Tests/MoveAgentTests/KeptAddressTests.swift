import Records
import Testing

@testable import MoveAgent

@Suite("An address that stays")
struct KeptAddressTests {
    @Test func theServicesPortsAloneAreHandedOn() throws {
        let kept = try #require(KeptAddress("10.0.0.5/24", name: "a b"))
        let ports = [
            ServicePort(isTCP: true, number: 80), ServicePort(isTCP: false, number: 53),
            ServicePort(isTCP: true, number: 443), ServicePort(isTCP: true, number: 80, address: "10.0.0.5"),
        ]
        let text = kept.text(ports, to: "10.0.0.2", of: "eth0", by: "eth1")
        #expect(text.contains("table netdev retinue_kept_a_b {\n"))
        #expect(text.contains("hook ingress device \"eth0\" priority -400"))
        #expect(
            text.contains(
                "ip daddr 10.0.0.5 tcp dport { 80, 443 } counter fwd ip to 10.0.0.2 device \"eth1\"\n"))
        #expect(!text.contains("53"))
    }

    @Test func nobodyLearnsThatItIsThere() throws {
        let text = try #require(KeptAddress("10.0.0.5/24", name: "a")).silent(own: "10.0.0.2")
        #expect(text.contains("table arp retinue_silent_a {\n"))
        #expect(text.contains("arp daddr ip 10.0.0.5 drop\n"))
        #expect(text.contains("arp saddr ip 10.0.0.5 arp saddr ip set 10.0.0.2\n"))
    }

    @Test func addressesThatCannotStay() throws {
        for text in ["fd00::5/64", "10.0.0.5", "10.0.0/24", "host/24", ""] {
            #expect(KeptAddress(text, name: "a") == nil, "\(text)")
        }
        // Another host keeps it: nothing is handed on here.
        let kept = try #require(KeptAddress("192.0.2.5/24", name: "a"))
        #expect(try kept.interface() == nil && kept.obstacle([], to: "db2") == nil)
    }

    @Test(arguments: [
        (#","live":true,"address":"10.0.0.5/24""#, ""), (#","live":true"#, "an IPv4 --address"),
        (#","address":"10.0.0.5/24""#, "for --live"),
        (#","live":true,"address":"fd00::5/64""#, "an IPv4 --address"),
        (#","live":true,"address":"10.0.0.5/24","forward":true"#, "leave --forward"),
    ])
    func whatGoesWithIt(options: String, refusal: String) throws {
        let plan =
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00Z","hosts":[{"host":"a"}]}"#
        let value = try JSONValue(
            parsing: Array(
                #"{"plan":\#(plan),"name":"x","host":"b","at":"10.0.0.2","port":7420,"address_stays":true\#(options)}"#
                    .utf8))
        guard refusal.isEmpty else {
            #expect { try MoveOrder(value) } throws: { "\($0)".contains(refusal) }
            return
        }
        let order = try MoveOrder(value)
        #expect(order.keptAddress?.address.text == "10.0.0.5/24" && order.movingAddress == nil)
        // It is written as it was read.
        #expect(try MoveOrder(order.value).addressStays)
    }
}
