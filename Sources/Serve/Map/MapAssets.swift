/// What the pages load: a part of the program, so that it stays one file.
enum MapAssets {
    struct Asset {
        var type: String
        var text: StaticString
    }

    static let all: [String: Asset] = [
        "/map.css": Asset(type: "text/css; charset=utf-8", text: style),
        "/map.js": Asset(type: "text/javascript; charset=utf-8", text: script),
        "/icon.svg": Asset(type: "image/svg+xml", text: icon),
    ]

    /// Differs once any of them does (FNV-1a), so that a browser keeps none that is old.
    static let version: String = {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for (_, asset) in all.sorted(by: { $0.key < $1.key }) {
            asset.text.withUTF8Buffer { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        }
        return String(hash, radix: 16)
    }()

    private static let icon: StaticString = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M4 4L12 8L4 12" fill="none" \
        stroke="#0072b2" stroke-width="1.5"/><circle cx="4" cy="4" r="3" fill="#e69f00"/><circle cx="12" cy="8" r="3" \
        fill="#0072b2"/><circle cx="4" cy="12" r="3" fill="#009e73"/></svg>
        """
}
