extension MapAssets {
    /// Colours are those of Okabe and Ito, light on light and dark on dark: they can be distinguished whatever one's colour
    /// vision, and shapes and strokes say the same.
    static let style: StaticString = #"""
        :root {
          color-scheme: light dark;
          --page: #ffffff; --text: #1b1f24; --faint: #59636e; --line: #c8ced6; --frame: #f4f6f8; --link: #0b57a4;
          --program: #d3e9f8; --bound: #fbe7b4; --plain: #ffffff; --address: #cdeee1; --channel: #f4d9e8;
          --entry: #e8e8e8; --edge: #49525c; --write: #9a6400; --way: #b3420e; --new: #00704f; --found: #7a2e8e;
          --outside: #b3420e; --focus: #0b57a4;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --page: #14181d; --text: #e8ecf1; --faint: #a3adb8; --line: #3d4650; --frame: #1c2229; --link: #7cc0ff;
            --program: #173a54; --bound: #57430f; --plain: #242b33; --address: #12493a; --channel: #532d44;
            --entry: #343a41; --edge: #aeb8c3; --write: #f0b84a; --way: #ff9a66; --new: #4fd6a8; --found: #dd9df0;
            --outside: #ff9a66; --focus: #9ed0ff;
          }
        }
        * { box-sizing: border-box }
        html { font: 16px/1.45 system-ui, "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif }
        body { margin: 0; background: var(--page); color: var(--text) }
        a { color: var(--link) }
        a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible,
        .picture:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 3px }
        header { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; padding: .6rem 1rem;
          border-bottom: 1px solid var(--line) }
        .brand { font-weight: 650; text-decoration: none; color: inherit; padding: .3rem 0 }
        header form { display: flex; gap: .5rem; flex: 1 1 18rem; max-width: 44rem }
        header input { flex: 1 }
        input, select, button { font: inherit; color: inherit; background: var(--plain); border: 1px solid var(--line);
          border-radius: 6px; padding: .4rem .6rem; min-height: 2.5rem; max-width: 100%; min-width: 0 }
        input[type=range] { padding: 0; border: 0; background: none; accent-color: var(--link) }
        input[type=checkbox] { min-height: 0; width: 1.15rem; height: 1.15rem; accent-color: var(--link) }
        button { background: var(--frame); cursor: pointer; font-weight: 550 }
        button:hover { border-color: var(--edge) }
        main { padding: .75rem 1rem 3rem; max-width: 60rem }
        main.group { max-width: none }
        h1 { font-size: 1.3rem; margin: .3rem 0; overflow-wrap: anywhere }
        h2 { font-size: 1.05rem; margin: 0 0 .5rem; overflow-wrap: anywhere }
        h3 { font-size: .95rem; margin: 1rem 0 .3rem }
        p { margin: .4rem 0; overflow-wrap: anywhere }
        .summary, .note, .notes { color: var(--faint) }
        .notes { margin: .4rem 0; padding-left: 1.2rem; font-size: .9rem; overflow-wrap: anywhere }
        .problem { border-left: 4px solid var(--outside); padding: .3rem .7rem; background: var(--frame) }
        .results { padding-left: 0; list-style: none }
        .results a { display: block; padding: .55rem .6rem; text-decoration: none; border-bottom: 1px solid var(--line);
          overflow-wrap: anywhere }
        .results a:hover { background: var(--frame) }
        .results strong { display: block; font-weight: 550 }
        .results span { color: var(--faint); font-size: .875rem }
        nav { display: flex; gap: 1rem; margin: 1rem 0 }
        .controls { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .6rem 0; font-size: .9rem }
        .controls form { display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: center }
        .controls label { display: flex; align-items: center; gap: .4rem }
        .controls details { margin: 0; max-width: 52rem; color: var(--faint) }
        .controls input[type=text] { width: 15rem }
        .time input { width: 9rem }
        output { font-variant-numeric: tabular-nums; color: var(--faint); white-space: nowrap }
        .columns { display: flex; gap: 1rem; align-items: flex-start }
        .picture { flex: 1 1 auto; min-width: 0; overflow: auto; border: 1px solid var(--line); border-radius: 8px;
          max-height: 82vh; background: var(--page) }
        #panel { flex: 0 0 22rem; max-height: 82vh; overflow: auto; border: 1px solid var(--line); border-radius: 8px;
          padding: .8rem 1rem; font-size: .9rem; scroll-margin-top: .5rem }
        #panel ul, #panel ol { margin: .3rem 0; padding-left: 1.2rem; overflow-wrap: anywhere }
        #panel li { margin: .25rem 0 }
        .actions { display: flex; flex-wrap: wrap; gap: .3rem 1rem }
        .actions a { padding: .3rem 0 }
        .pin form { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center }
        .pin input[type=text] { flex: 1 1 8rem }
        #move { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center }
        #move label { display: flex; gap: .4rem; align-items: center; flex: 1 1 10rem; min-width: 0 }
        #move select { flex: 1; min-width: 0 }
        dl { margin: .5rem 0 } dt { font-weight: 600; margin-top: .4rem } dd { margin: 0 0 0 .6rem; overflow-wrap: anywhere }
        details { margin: .5rem 0 } summary { cursor: pointer; padding: .3rem 0 }
        table { border-collapse: collapse; font-size: .875rem; display: block; overflow-x: auto }
        th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap }
        .legend ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; font-size: .875rem }
        .legend li { display: flex; align-items: center; gap: .5rem }
        .sign { width: 1.6rem; height: 1rem; border: 1.5px solid var(--edge); border-radius: 4px; background: var(--plain) }
        .sign.program, .sign.unit, .sign.host { background: var(--program) } .sign.bound { background: var(--bound) }
        .sign.endpoint { background: var(--address) } .sign.channel { background: var(--channel) }
        .sign.entry { background: var(--entry) } .sign.reconnect { border: 1.5px dashed var(--outside); border-radius: 0 }
        .sign.stays { border-style: dashed; opacity: .65; border-radius: 0 }
        .line { width: 2rem; border-top: 2px solid var(--edge) } .line.snapshot { border-top-style: dashed }
        .line.inferred { border-top-style: dotted } .line.writes { border-top: 3px solid var(--write) }
        .list li { margin: .2rem 0; overflow-wrap: anywhere }
        svg { display: block; font-family: Helvetica, Arial, "Liberation Sans", sans-serif }
        svg text { fill: var(--text); font-size: 13px }
        svg text.more { font-size: 11px; fill: var(--faint) }
        svg .frame { fill: var(--frame); stroke: var(--line) }
        svg .outside { fill: none; stroke: var(--line); stroke-dasharray: 7 5 }
        svg .frame-title { font-size: 13px; font-weight: 600; fill: var(--faint) }
        svg .host:hover .frame-title, svg .host:focus-visible .frame-title { text-decoration: underline }
        .shape, .behind { fill: var(--plain); stroke: var(--edge); stroke-width: 1.2 }
        .program .shape, .unit .shape, .host .shape, .unit .behind, .host .behind { fill: var(--program) }
        .bound .shape { fill: var(--bound) } .endpoint .shape { fill: var(--address) }
        .channel .shape { fill: var(--channel) } .entry .shape { fill: var(--entry) }
        .reconnect .shape { stroke: var(--outside); stroke-dasharray: 5 3 }
        .stays .shape { stroke-dasharray: 5 3; stroke: var(--faint) } .dim text.name { fill: var(--faint) }
        .start .shape { stroke-width: 3.2 }
        .stop .shape { stroke-dasharray: 2 2 }
        .box.changed .shape { stroke: var(--new); stroke-width: 3 }
        .box.found .shape { stroke: var(--found); stroke-width: 4 }
        .box.way .shape { stroke: var(--way); stroke-width: 2.6 }
        .box.selected .shape { stroke: var(--way); stroke-width: 4.5 }
        .box a { text-decoration: none; outline: none; cursor: pointer }
        .box a:hover .shape { stroke: var(--link) }
        .box a:focus-visible .shape { stroke: var(--focus); stroke-width: 5 }
        .toggle circle { fill: var(--page); stroke: var(--edge) } .toggle path { stroke: var(--text); stroke-width: 1.6 }
        .box a.toggle:focus-visible circle { stroke: var(--focus); stroke-width: 4 }
        .arrow { fill: none; stroke: var(--edge); stroke-width: 1.3; opacity: .8; marker-end: url(#head) }
        .arrow.snapshot { stroke-dasharray: 9 4 } .arrow.inferred { stroke-dasharray: 2 4 }
        .arrow.unstated { stroke-width: .9 }
        .arrow.writes { stroke: var(--write); stroke-width: 1.9 }
        .arrow.dim { opacity: .45; marker-end: url(#head-dim) }
        .arrow.changed { stroke: var(--new); stroke-width: 2.4 }
        .arrow.found { stroke: var(--found); stroke-width: 2.8 }
        .arrow.way { stroke: var(--way); stroke-width: 3; opacity: 1; marker-end: url(#head-way) }
        .head { fill: var(--edge) } .head.way { fill: var(--way) } .head.dim { fill: var(--faint) }
        svg text.label { font-size: 11px; fill: var(--text); paint-order: stroke; stroke: var(--frame); stroke-width: 4px;
          stroke-linejoin: round }
        svg text.label.way { fill: var(--way); font-weight: 600 }
        .dragged { opacity: .7 } .dropped { stroke: var(--focus) !important; stroke-width: 3 }
        @media (max-width: 52rem) {
          .columns { flex-direction: column; align-items: stretch }
          #panel { flex: none; max-height: none; scroll-margin-top: .5rem }
          .picture { max-height: 62vh }
          .controls form, .controls label, .controls input[type=text] { width: 100% }
          .controls input[type=text], .time input { flex: 1; width: auto }
          .controls .check { width: auto }
        }
        @media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth } }
        """#
}
