/** Pleasant or neutral whoever they stand beside. */
export const ADJECTIVES = `
  able agile alert amber ample apt artful astute awake balanced blissful bold brave bright brisk calm
  candid careful caring cheerful civil clear clever coastal cogent composed content cordial cosmic
  cozy crisp curious daring deft diligent dreamy driven eager earnest easygoing elated elegant
  eloquent eminent epic exact fair faithful fearless festive firm fluent focused fond frank free
  friendly frosty gallant generous gentle gifted glad gleaming golden graceful grand happy hardy
  hearty helpful honest hopeful humble inspired jolly jovial joyful keen kind lively logical loyal
  lucid lucky mellow merry mindful modest musical neat nimble noble open optimistic patient peaceful
  placid playful poised polite prudent quick quiet radiant ready serene sharp silver sincere smart
  snug sober solid spry steady sturdy subtle sunny swift tactful tender thrifty tidy tranquil upbeat
  valiant vibrant vivid warm wise witty zesty
  `
  .trim()
  .split(/\s+/);

/** Scientists and engineers, most of them of computing, by surname. */
export const SURNAMES = `
  abelson adleman aho aiken allen alonso amdahl antonelli armstrong arora atanasoff babbage bachman
  backus baran bardeen barman bartik bell bellman berners bernstein blum bohm boole booth borg boyer
  brattain brin brinch brooks cantor cerf chandy chomsky church clarke clarkson cocke codd cohen
  conway cook corbato courtois cox cray curry dahl dantzig davies dean deering denning dennis
  diffie dijkstra dongarra eckert edmonds emerson engelbart erdos erlang estrin euler
  fano faraday feigenbaum feinler fermat flowers floyd forsythe fourier franklin galois garey gauss
  germain gibbs godel goldberg goldstine goldwasser gosling graham granville gray gries griswold
  hamilton hamming harel hartmanis hellman hennessy herbrand hilbert hinton hoare holberton hollerith
  hopcroft hopper horner huffman ingalls iverson jacobson jacquard jensen johnson jordan kahan kahn
  kalman karatsuba karnaugh karp katz kay kemeny kernighan kilburn kilby kleene kleinrock knuth
  kolmogorov kowalski kruskal kurtz lamarr lamport lampson landin lehmer leibniz lempel levin
  licklider lin liskov lovelace lukasiewicz lynch manber markov matsumoto mauchly maxwell mccarthy
  mcculloch mcilroy mckusick merkle metcalfe micali milner minsky moore morse
  naur needham neumann newell newman noether norvig noyce nygaard nyquist pascal patterson
  peano pearl perlis perlman peterson petri plauger pnueli postel pratt prim rabin raskin reeves
  reynolds ritchie rivest roberts robinson rosen russell salton samelson sammet schroeder scott
  sedgewick shamir shannon shaw shor simon sipser stearns steele stepanov stibitz stonebraker strachey
  stroustrup sussman sutherland tarjan tarski thacker thompson thomson tomlinson torvalds turing
  turner ullman valiant viterbi wadler weizenbaum wheeler whitehead wiener wigderson wilkes wilkinson
  winograd wirth yao yourdon zadeh zimmermann ziv zuse
  `
  .trim()
  .split(/\s+/);
