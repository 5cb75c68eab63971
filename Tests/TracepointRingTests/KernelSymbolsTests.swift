import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import TracepointRing

/// Where functions lie, by the kernel's list.
@Suite struct KernelSymbolsTests {
    private static let list = """
        ffffffff81000000 T _stext
        ffffffff81000010 t unix_stream_connect_other
        ffffffff81000020 t unix_stream_connect
        ffffffff81000020 t __pfx_alias
        ffffffff81000090 T unix_stream
        ffffffff810000a0 t unix_dgram_sendmsg
        ffffffffc0000000 t unix_in_module\t[unix]
        ffffffffc0000040 t after\t[unix]

        """

    /// By pieces of so many bytes.
    private func symbols(_ names: [String], _ text: [UInt8], piece: Int = .max) -> KernelSymbols {
        var left = text[...]
        return KernelSymbols(names) { buffer in
            let some = left.prefix(min(piece, buffer.count))
            left.removeFirst(some.count)
            buffer.copyBytes(from: some)
            return some.count
        }
    }

    @Test func aFunctionEndsWhereTheNextSymbolBegins() {
        let names = ["unix_stream_connect", "unix_dgram_sendmsg", "unix_in_module", "unix_absent"]
        for piece in [1, 7, 50, Int.max] {
            let symbols = symbols(names, Array(Self.list.utf8), piece: piece)
            // One of the same address is another name of it.
            #expect(symbols["unix_stream_connect"] == 0xffff_ffff_8100_0020..<0xffff_ffff_8100_0090)
            #expect(symbols["unix_dgram_sendmsg"] == 0xffff_ffff_8100_00a0..<0xffff_ffff_c000_0000)
            #expect(symbols["unix_in_module"] == 0xffff_ffff_c000_0000..<0xffff_ffff_c000_0040)
            #expect(symbols["unix_absent"] == nil)
        }
        // A line that no buffer holds is passed over, and what follows is found.
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 17) + Array("\n\(Self.list)".utf8)
        #expect(symbols(names, long)["unix_in_module"] == 0xffff_ffff_c000_0000..<0xffff_ffff_c000_0040)
    }

    /// Addresses are hidden from whoever may not know them, and a last line may have no end.
    @Test func whatSaysNothingIsLeftOut() {
        let names = ["unix_stream_connect"]
        for text in [
            "", "\n\n", "0000000000000000 t unix_stream_connect\n0000000000000000 t b\n",
            "ffffffff81000020 t unix_stream_connect\n", "ffffffff81000020 t unix_stream_connect",
            "zzzzzzzzzzzzzzzz t unix_stream_connect\nffffffff81000020 t b\n", "unix_stream_connect\n",
        ] {
            #expect(symbols(names, Array(text.utf8))["unix_stream_connect"] == nil, "\(text)")
        }
    }

    @Test func hostileBytes() {
        var random = SeededGenerator(seed: 11)
        let good = Array(Self.list.utf8)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            _ = symbols(["unix_stream_connect", "unix_dgram_sendmsg"], bytes)
        }
    }

    /// What is read piece by piece is the same as what is read in one.
    @Test(.enabled(if: isRoot, "needs root: addresses are hidden from others"))
    func thisKernels() throws {
        guard try KernelSymbols.areShown() else { return }
        let names = ["unix_stream_connect", "unix_dgram_sendmsg"]
        let list = try FileDescriptor.open("/proc/kallsyms", O_RDONLY).readAll(limit: 1 << 28)
        let all = symbols(names, list)
        let read = try KernelSymbols(names)
        for name in names {
            #expect(read[name] == all[name])
            #expect(read[name] != nil)
        }
    }
}
