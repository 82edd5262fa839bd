import { Pipeline } from "kiloformer";
import { serve } from "./serve.js";

serve(Pipeline);
