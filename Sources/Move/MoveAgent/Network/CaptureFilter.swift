import CLinux
import Glibc

/// The classic BPF program by which the kernel shows a packet socket what opens a flow to some ports, and nothing else (bpf(4),
/// Documentation/networking/filter.rst). The packet begins with its IP header.
enum CaptureFilter {
    /// So many ports are compared in the kernel, which takes 4,096 instructions; with more all of them are shown.
    static let mostPorts = 900

    static func program(isIPv6: Bool, tcp: Set<UInt16>, udp: Set<UInt16>) -> [sock_filter] {
        let transport: [sock_filter] = isIPv6 ? [load(BPF_B, 6)] : [load(BPF_B, 9)]
        func part(_ ports: Set<UInt16>, isTCP: Bool) -> [sock_filter] {
            var part: [sock_filter] = []
            // TCP: SYN, and none of FIN, RST and ACK.
            if isIPv6 {
                if isTCP { part += flags(load(BPF_B, 53)) }
                part.append(load(BPF_H, 42))
            } else {
                // No fragment but the first; the header's length into X.
                part += [
                    load(BPF_H, 6), jump(BPF_JSET, 0x1fff, 0, 1), end(0),
                    instruction(BPF_LDX | BPF_B | BPF_MSH, 0),
                ]
                if isTCP { part += flags(instruction(BPF_LD | BPF_B | BPF_IND, 13)) }
                part.append(instruction(BPF_LD | BPF_H | BPF_IND, 2))
            }
            if tcp.count + udp.count > mostPorts { return part + [end(.max)] }
            for port in ports.sorted() { part += [jump(BPF_JEQ, UInt32(port), 0, 1), end(.max)] }
            return part + [end(0)]
        }
        let first = part(tcp, isTCP: true)
        // A conditional jump reaches 255 instructions, which a part of many ports is longer than.
        return transport + [jump(BPF_JEQ, UInt32(IPPROTO_TCP), 0, 1), always(1), always(UInt32(first.count))]
            + first + (transport + [jump(BPF_JEQ, UInt32(IPPROTO_UDP), 1, 0), end(0)])
            + part(udp, isTCP: false)
    }

    private static func flags(_ load: sock_filter) -> [sock_filter] {
        [load, instruction(BPF_ALU | BPF_AND | BPF_K, 0x17), jump(BPF_JEQ, 2, 1, 0), end(0)]
    }

    private static func instruction(_ code: Int32, _ value: UInt32) -> sock_filter {
        sock_filter(code: UInt16(code), jt: 0, jf: 0, k: value)
    }

    private static func load(_ size: Int32, _ place: UInt32) -> sock_filter {
        instruction(BPF_LD | size | BPF_ABS, place)
    }

    private static func jump(_ kind: Int32, _ value: UInt32, _ yes: UInt8, _ no: UInt8) -> sock_filter {
        sock_filter(code: UInt16(BPF_JMP | kind | BPF_K), jt: yes, jf: no, k: value)
    }

    private static func always(_ count: UInt32) -> sock_filter { instruction(BPF_JMP | BPF_JA, count) }

    private static func end(_ value: UInt32) -> sock_filter { instruction(BPF_RET | BPF_K, value) }
}
