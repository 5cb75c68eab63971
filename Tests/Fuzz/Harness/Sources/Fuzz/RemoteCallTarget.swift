import SunRPC

/// Calls of ONC RPC as they come from a network, cut into pieces anywhere.
enum RemoteCallTarget {
    static let target = FuzzTarget(name: "rpc") { bytes in
        guard let first = bytes.first else { return }
        let stream = bytes.dropFirst()
        let rewriter = CallRewriter([
            .init(program: 0x2000_0111, version: 1): .init(program: 0x4000_0007, version: 3)
        ])
        var datagram = Array(stream)
        rewriter.rewrite(&datagram)
        require(datagram.count == stream.count, "a datagram of another length")
        // The same comes out, wherever the stream is cut.
        let cut = stream.startIndex + min(Int(first), stream.count)
        var whole = RecordRewriter(rewriter)
        var parts = RecordRewriter(rewriter)
        let one = whole.rewrite(stream)
        let two = parts.rewrite(stream[..<cut]) + parts.rewrite(stream[cut...])
        require(one.count <= stream.count, "more bytes than there were")
        // Beyond what is kept back the pieces decide what passes; up to there they do not.
        if stream.count <= 4096 { require(one == two, "a stream that depends on its pieces") }
        var assembler = RecordAssembler(mostBytes: 1 << 16)
        var book = RegistrationBook()
        assembler.add(stream)
        while let call = try? assembler.next() { _ = book.answer(call) }
        _ = book.answer(Array(stream))
    }
}
